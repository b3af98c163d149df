// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <initializer_list>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "model/weights.h"
#include "ops/ops.h"

/// The leaves of the model: an op and its parameters, called like a function. Values; immutable.
namespace vila::model {

/// What an adapter adds beside a matrix of N outputs and K inputs: y + x A^T B^T + gain * y.
/// See formats::LowRankChange.
struct LowRank {
  Tensor a;     // [r, K]
  Tensor b;     // [N, r]
  Tensor gain;  // [N] or none

  /// The change beside the matrix of this place, if there is one.
  static std::optional<LowRank> find(const Weights& w) {
    if (!w.has("lora_A")) return std::nullopt;
    return LowRank{.a = w.tensor("lora_A"),
                   .b = w.tensor("lora_B"),
                   .gain = w.has("lora_gain") ? w.tensor("lora_gain") : Tensor()};
  }

  /// That of outputs [begin, end).
  LowRank rows(int64_t begin, int64_t end) const {
    return {.a = a, .b = b.rows(begin, end), .gain = gain.defined() ? gain.rows(begin, end) : gain};
  }

  /// y + bias with the change; x [T, K], y = x W^T [T, N], bias [N] or none.
  Tensor operator()(ops::Context& ctx, const Tensor& x, const Tensor& y, const Tensor& bias) const {
    const Tensor none;
    const Tensor sum = ops::add(ctx, y, ops::linear(ctx, ops::linear(ctx, x, a, none), b, bias));
    return gain.defined() ? ops::add_scaled(ctx, sum, y, gain) : sum;
  }
};

/// y = x W^T + b; x [T, K], W [N, K] as stored or packed, b [N] or none; y [T, N]. Maybe with the
/// change of an adapter beside W.
struct Linear {
  Matrix weight;
  Tensor bias;
  std::optional<LowRank> change;

  explicit Linear(const Weights& w)
      : weight(w.matrix("weight")),
        bias(w.has("bias") ? w.vector("bias") : Tensor()),
        change(LowRank::find(w)) {}

  explicit Linear(Matrix matrix) : weight(std::move(matrix)) {}

  Tensor operator()(ops::Context& ctx, const Tensor& x) const {
    const Tensor none;
    const Tensor& added = change ? none : bias;
    const Tensor y =
        std::visit([&](const auto& w) { return ops::linear(ctx, x, w, added); }, weight);
    return change ? (*change)(ctx, x, y, bias) : y;
  }
};

/// What each of the Linears makes of x. Packed ones go together, see ops::linear_together().
inline std::vector<Tensor> apply_each(ops::Context& ctx, const Tensor& x,
                                      std::initializer_list<const Linear*> linears) {
  std::vector<ops::PackedLinear> packed;
  for (const Linear* linear : linears) {
    const auto* matrix = std::get_if<PackedMatrix>(&linear->weight);
    if (matrix != nullptr && !linear->change) packed.push_back({*matrix, linear->bias});
  }
  if (packed.size() == linears.size()) return ops::linear_together(ctx, x, packed);
  std::vector<Tensor> ys;
  for (const Linear* linear : linears)
    ys.push_back((*linear)(ctx, x));
  return ys;
}

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

/// Ids to rows of a table [V, D]. Of an adapter's change beside it, A [V, r] is a table as well.
struct Embedding {
  Matrix weight;
  std::optional<LowRank> change;

  explicit Embedding(const Weights& w) : weight(w.matrix("weight")), change(LowRank::find(w)) {}

  Tensor operator()(ops::Context& ctx, std::span<const int32_t> ids) const {
    const Tensor rows =
        std::visit([&](const auto& w) { return ops::embedding(ctx, w, ids); }, weight);
    if (!change) return rows;
    const Tensor none;
    return ops::add(ctx, rows,
                    ops::linear(ctx, ops::embedding(ctx, change->a, ids), change->b, none));
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
