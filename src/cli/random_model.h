// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "spec/config.h"
#include "text/tokenizer.h"

namespace vila::cli {

/// Names of published models whose shapes random_config() knows: "vila-2.7b", "vila-7b", …
std::vector<std::string> random_model_names();

/// The shapes of a published model, as its config.json has them.
/// @throws Error{invalid_argument} listing the names there are.
spec::VilaConfig random_config(const std::string& name);

/// Bytes that random_checkpoint() takes.
int64_t random_weight_bytes(const spec::VilaConfig& config);

/// Weights of these shapes that no file holds, as a quantised checkpoint has them: Linears of the
/// decoder in 4 bits by 128, token table, output matrix, tower and projector in 8 bits a row, norms
/// and biases in f32. Codes are random, scales such that activations keep their size: speed does
/// not depend on values, answers are meaningless. Filled on the threads of `pool`.
formats::Checkpoint random_checkpoint(const spec::VilaConfig& config, ThreadPool& pool);

/// A tokenizer for such a model: a byte of text is a token.
std::unique_ptr<text::Tokenizer> byte_tokenizer();

}  // namespace vila::cli
