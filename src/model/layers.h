// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <utility>
#include <variant>

#include "model/weights.h"
#include "ops/ops.h"

/// The leaves of the model: an op and its parameters, called like a function. Values; immutable.
namespace vila::model {

/// y = x W^T + b; x [T, K], W [N, K] as stored or packed, b [N] or none; y [T, N].
struct Linear {
  Matrix weight;
  Tensor bias;

  explicit Linear(const Weights& w)
      : weight(w.matrix("weight")), bias(w.has("bias") ? w.vector("bias") : Tensor()) {}

  explicit Linear(Matrix matrix) : weight(std::move(matrix)) {}

  Tensor operator()(ops::Context& ctx, const Tensor& x) const {
    return std::visit([&](const auto& w) { return ops::linear(ctx, x, w, bias); }, weight);
  }
};

/// Rows divided by their root mean square; [T, D].
struct RmsNorm {
  Tensor weight;
  double epsilon;

  RmsNorm(const Weights& w, double eps) : weight(w.vector("weight")), epsilon(eps) {}

  Tensor operator()(ops::Context& ctx, const Tensor& x) const {
    return ops::rms_norm(ctx, x, weight, epsilon);
  }
};

/// Rows normalised to mean 0 and variance 1; [T, D].
struct LayerNorm {
  Tensor weight;
  Tensor bias;
  double epsilon;

  LayerNorm(const Weights& w, double eps)
      : weight(w.vector("weight")), bias(w.vector("bias")), epsilon(eps) {}

  Tensor operator()(ops::Context& ctx, const Tensor& x) const {
    return ops::layer_norm(ctx, x, weight, bias, epsilon);
  }
};

/// Ids to rows of a table [V, D].
struct Embedding {
  Matrix weight;

  explicit Embedding(const Weights& w) : weight(w.matrix("weight")) {}

  Tensor operator()(ops::Context& ctx, std::span<const int32_t> ids) const {
    return std::visit([&](const auto& w) { return ops::embedding(ctx, w, ids); }, weight);
  }
};

/// x <- layer(x), freeing what the layer put into the arena: a stack needs the memory of one layer.
template <typename Layer>
void apply_in_place(ops::Context& ctx, const Tensor& x, const Layer& layer) {
  ArenaScope scope(ctx.arena);
  const Tensor y = layer(x);
  std::memcpy(x.raw(), y.raw(), x.nbytes());
}

}  // namespace vila::model
