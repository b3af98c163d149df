// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "model/layers.h"
#include "spec/config.h"
#include "spec/parameters.h"

namespace vila::model {

/// The mm_projector: maybe merges neighbours, then Linear layers with a GELU between two, some with
/// a LayerNorm in front (docs/model.md, eq. 8-8c). `identity` has none, `linear` one, `mlpNx_gelu`
/// N. Immutable.
class Projector {
 public:
  Projector(const Weights& root, const spec::VilaConfig& config);

  /// Features [pictures * tokens, C] to rows of the language model [pictures * merged, D].
  Tensor operator()(ops::Context& ctx, const Tensor& features, int64_t pictures) const;

 private:
  struct Step {
    std::optional<LayerNorm> norm;
    Linear linear;
  };

  Tensor downsample(ops::Context& ctx, const Tensor& features, int64_t pictures) const;

  spec::Downsampling downsampling_;
  std::vector<Step> steps_;
};

}  // namespace vila::model
