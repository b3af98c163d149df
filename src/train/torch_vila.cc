// SPDX-License-Identifier: Apache-2.0
#include "train/torch_vila.h"

#include <vector>

#include "base/error.h"
#include "train/layers.h"
#include "train/torch_compat.h"
#include "train/torch_decoder.h"
#include "train/torch_vision.h"

namespace vila::train {
namespace {

at::Tensor tensor_of(const std::vector<int64_t>& values, const at::Device& device) {
  return at::tensor(values, at::kLong).to(device);
}

}  // namespace

at::Tensor embed_batch(const ParameterSet& parameters, const spec::VilaConfig& config,
                       const PackedBatch& batch, const at::Tensor& features, Precision precision) {
  const at::Device device = output_weight(parameters).device();
  const at::Tensor embedded = embed_tokens(parameters, "", tensor_of(batch.ids, device));
  if (batch.image_rows.empty()) return embedded;
  const at::Tensor projected = projector_forward(parameters, config, features, precision);
  VILA_CHECK(projected.size(0) == static_cast<int64_t>(batch.image_rows.size()));
  return at::index_copy(embedded, 0, tensor_of(batch.image_rows, device), projected);
}

at::Tensor vila_forward(const ParameterSet& parameters, const spec::VilaConfig& config,
                        const PackedBatch& batch, const at::Tensor& features, Precision precision) {
  const std::string device = output_weight(parameters).device().str();
  const DecoderRows rows(batch.starts, batch.positions, config.llm, device);
  return decoder_forward(parameters, "", config.llm,
                         embed_batch(parameters, config, batch, features, precision), rows,
                         precision);
}

at::Tensor vila_loss(const ParameterSet& parameters, const spec::VilaConfig& config,
                     const PackedBatch& batch, const at::Tensor& features, Precision precision) {
  std::vector<int64_t> rows;
  std::vector<int64_t> targets;
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    if (batch.targets[i] == spec::kIgnoreLabel) continue;
    rows.push_back(static_cast<int64_t>(i));
    targets.push_back(batch.targets[i]);
  }
  if (rows.empty()) return at::zeros({}, at::kFloat);
  const at::Tensor hidden = vila_forward(parameters, config, batch, features, precision);
  const at::Device device = hidden.device();
  const at::Tensor chosen =
      rows.size() == batch.targets.size() ? hidden : pick_rows(hidden, tensor_of(rows, device));
  return linear_cross_entropy(chosen, output_weight(parameters), tensor_of(targets, device),
                              precision);
}

}  // namespace vila::train
