// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "spec/config.h"
#include "train/parameter_set.h"
#include "train/recipe.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// What a packed batch needs in every layer: who attends to whom, and the rotary angles.
class DecoderRows {
 public:
  /// @param starts  first row of each sample, and the number of rows (PackedBatch::starts).
  /// @param positions  per row.
  DecoderRows(const std::vector<int64_t>& starts, const std::vector<int64_t>& positions,
              const spec::DecoderConfig& config, const std::string& device);
  ~DecoderRows();

  /// Rotary positions on q and k, then causal attention within each sample; [rows, width] each.
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The Llama decoder (docs/model.md): embeddings f32 [rows, hidden] to normed hidden rows.
/// @param prefix  in front of the table's names ("" or "text_model.").
at::Tensor decoder_forward(const ParameterSet& parameters, const std::string& prefix,
                           const spec::DecoderConfig& config, const at::Tensor& embeddings,
                           const DecoderRows& rows, Precision precision);

/// Rows of the embedding table for ids i64 [rows].
at::Tensor embed_tokens(const ParameterSet& parameters, const std::string& prefix,
                        const at::Tensor& ids);

/// The weight of the output layer, tied or not.
const at::Tensor& output_weight(const ParameterSet& parameters);

}  // namespace vila::train
