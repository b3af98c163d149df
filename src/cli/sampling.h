// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json.h"
#include "engine/engine.h"

namespace CLI {
class App;
}

namespace vila::cli {

/// Registers --temperature, --top-k, --top-p, --min-p, --repeat-penalty, --seed, --max-tokens,
/// --stop, --logprobs and --speculate, bound to `options`, whose values are the defaults shown.
void add_sampling_options(CLI::App& app, engine::GenerateOptions& options);

/// Sets one option by its JSON name ("top_k"; "top-k" is the same).
/// @return false when there is no such option. @throws Error{invalid_argument} for a wrong type.
bool set_sampling(engine::GenerateOptions& options, const std::string& name, const Json& value);

/// All options as an object with the JSON names.
Json sampling_json(const engine::GenerateOptions& options);

/// @throws Error{invalid_argument} naming the option, what was expected and what was found.
void check_sampling(const engine::GenerateOptions& options);

}  // namespace vila::cli
