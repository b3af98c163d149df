// SPDX-License-Identifier: Apache-2.0
#include "model/projector.h"

#include "spec/parameters.h"

namespace vila::model {

Projector::Projector(const Weights& root, const spec::VilaConfig& config) {
  for (const spec::ProjectorLinear& linear : spec::projector_linears(config)) {
    steps_.emplace_back(root / linear.prefix);
  }
}

// v = W_n gelu(… gelu(W_1 f + b_1) …) + b_n   (8)
Tensor Projector::operator()(ops::Context& ctx, const Tensor& features) const {
  Tensor v = features;  // [T, C]
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (i > 0) v = ops::gelu(ctx, v);
    v = steps_[i](ctx, v);  // [T, D]
  }
  return v;
}

}  // namespace vila::model
