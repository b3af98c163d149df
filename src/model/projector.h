// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/layers.h"
#include "spec/config.h"

namespace vila::model {

/// The mm_projector: Linear layers with a GELU between two (docs/model.md, eq. 8). `identity` has
/// none, `linear` one, `mlpNx_gelu` N. Immutable.
class Projector {
 public:
  Projector(const Weights& root, const spec::VilaConfig& config);

  /// Features [T, C] to rows of the language model [T, D].
  Tensor operator()(ops::Context& ctx, const Tensor& features) const;

 private:
  std::vector<Linear> steps_;
};

}  // namespace vila::model
