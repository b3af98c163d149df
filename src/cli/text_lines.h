// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/json.h"
#include "text/tokenizer.h"

namespace CLI {
class App;
}

namespace vila::cli {

/// Which tokenizer: that of a model, or a file.
struct TokenizerOptions {
  std::string model;
  std::string file;
};

/// Registers -m/--model and --tokenizer, which exclude each other.
void add_tokenizer_options(CLI::App& app, TokenizerOptions& options);

/// @throws Error{not_found | invalid_model}
std::unique_ptr<text::Tokenizer> load_tokenizer(const TokenizerOptions& options);

/// Reads JSON objects from stdin, one a line, and writes what `answer` makes of each, one a line.
/// `source` in messages is "line N". @throws Error{invalid_data} naming the line; what `answer`
/// throws, with the line in front.
void map_json_lines(const std::function<Json(const Json& line, const std::string& source)>& answer);

/// The same where `answer` gives the line itself: for output that is large and simple.
void map_lines(
    const std::function<std::string(const Json& line, const std::string& source)>& answer);

}  // namespace vila::cli
