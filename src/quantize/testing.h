// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/random.h"
#include "formats/weight_file.h"
#include "spec/config.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

/// What the tests of this layer share.
namespace vila::quantize {

/// A random language model whose sizes are whole groups.
struct SmallModel {
  spec::VilaConfig whole;
  spec::DecoderConfig config;
  formats::TensorMap tensors;
};

/// Which kind of decoder.
struct SmallOptions {
  bool is_grouped = false;  // two query heads share a key head
  bool has_bias = false;    // Qwen2's
  uint64_t seed = 1;
};

/// A random decoder, small enough to be quantised in a test: width 64, heads of 16.
inline SmallModel small_model(const SmallOptions& options) {
  SmallModel model;
  model.whole = test::tiny_language_config();
  model.whole.llm.hidden_size = 64;
  model.whole.llm.intermediate_size = 128;
  model.whole.llm.head_dim = 16;
  model.whole.llm.num_key_value_heads = options.is_grouped ? 2 : 4;
  model.whole.llm.has_qkv_bias = options.has_bias;
  model.config = model.whole.llm;
  for (const formats::NamedTensor& row :
       test::random_parameters({.config = model.whole, .seed = options.seed})) {
    model.tensors.emplace(row.name, row.tensor);
  }
  return model;
}

/// Rows whose columns differ in loudness.
inline Tensor random_rows(int64_t rows, int64_t width, uint64_t seed) {
  Random random(seed);
  Tensor x = Tensor::empty(DType::f32, {rows, width});
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double loudness = 1.0 / (1.0 + static_cast<double>(i % width % 7));
    x.data<float>()[i] = static_cast<float>(random.normal() * loudness);
  }
  return x;
}

}  // namespace vila::quantize
