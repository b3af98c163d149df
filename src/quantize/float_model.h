// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "formats/weight_file.h"
#include "quantize/block.h"

namespace vila::quantize {

/// A plain language model in f32, layer by layer: what quantised values are judged by, whatever
/// kernels the engine would take. Refers to tensors and context; one thread.
class FloatModel {
 public:
  FloatModel(ops::Context& ctx, const formats::TensorMap& tensors,
             const spec::DecoderConfig& config)
      : ctx_(ctx), tensors_(tensors), config_(config) {}

  /// Changes a layer before it runs; none: as it is.
  using Change = std::function<void(Block& block)>;

  /// Logits f32 [sequences, T, V] of tokens i32 [sequences, T].
  /// @throws Error{invalid_model} as load_block().
  Tensor logits(const Tensor& tokens, const Change& change = {}) const;

  /// Rows [sequences * T, D] that enter the first layer.
  Tensor embed(const Tensor& tokens) const;

 private:
  ops::Context& ctx_;
  const formats::TensorMap& tensors_;
  const spec::DecoderConfig& config_;
};

}  // namespace vila::quantize
