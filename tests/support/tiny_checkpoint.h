// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "formats/safetensors.h"
#include "spec/config.h"
#include "tensor/dtype.h"

namespace vila::test {

/// A complete random VILA of the flat Feb-2024 layout, small enough for any test.
struct TinyOptions {
  spec::VilaConfig config;
  DType dtype = DType::f32;  // of all weights
  uint64_t seed = 1;
};

/// A tower of 4 layers on 28 x 28 pixels in patches of 7 (16 rows a picture, select layer -2),
/// mlp2x_gelu, a decoder of 2 layers, 4 heads over 2 key/value heads, 384 tokens, context 256.
spec::VilaConfig tiny_config();

/// The same decoder alone: no tower, no projector.
spec::VilaConfig tiny_language_config();

/// Random tensors for every parameter of a config: norms around 1, the rest so scaled that
/// activations stay near 1.
std::vector<formats::NamedTensor> random_parameters(const TinyOptions& options);

/// Writes `folder` (made if need be): config.json, model.safetensors, vision_tower/ with its
/// config.json and preprocessor_config.json, and the tokenizer of support/tiny_tokenizer.h.
void write_tiny_checkpoint(const std::filesystem::path& folder, const TinyOptions& options);

/// The configuration files alone.
void write_config_files(const std::filesystem::path& folder, const spec::VilaConfig& config);

}  // namespace vila::test
