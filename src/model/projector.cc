// SPDX-License-Identifier: Apache-2.0
#include "model/projector.h"

#include <algorithm>

#include "model/multi_scale.h"

namespace vila::model {
namespace {

constexpr double kLayerNormEps = 1e-5;  // torch's default, which the reference uses

}  // namespace

Projector::Projector(const Weights& root, const spec::VilaConfig& config)
    : downsampling_(spec::projector_downsampling(config)) {
  for (const spec::ProjectorLinear& linear : spec::projector_linears(config)) {
    Step step{.norm = std::nullopt, .linear = Linear(root / linear.prefix)};
    if (!linear.norm.empty()) step.norm.emplace(root / linear.norm, kLayerNormEps);
    steps_.push_back(std::move(step));
  }
}

// Cells of r x r neighbours side by side in one row, zeros where the map ends   (8b)
Tensor Projector::downsample(ops::Context& ctx, const Tensor& features, int64_t pictures) const {
  const int64_t rate = downsampling_.rate;
  const int64_t width = features.dim(1);
  const int64_t side = map_side(features.dim(0) / pictures);
  const int64_t cells = (side + rate - 1) / rate;
  Tensor merged =
      arena_tensor(ctx.arena, DType::f32, {pictures * cells * cells, rate * rate * width});
  std::fill_n(merged.data<float>(), merged.numel(), 0.0F);
  for (int64_t n = 0; n < pictures; ++n) {
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        const int64_t row = y / rate;
        const int64_t column = x / rate;
        const int64_t cell =
            downsampling_.is_column_major ? column * cells + row : row * cells + column;
        const int64_t part = y % rate * rate + x % rate;
        const float* source = features.data<float>() + ((n * side + y) * side + x) * width;
        std::copy_n(
            source, width,
            merged.data<float>() + ((n * cells * cells + cell) * rate * rate + part) * width);
      }
    }
  }
  return merged;
}

// v = W_n gelu(... gelu(W_1 f + b_1) ...) + b_n, f or what follows normalised where the type says
// so (8, 8c)
Tensor Projector::operator()(ops::Context& ctx, const Tensor& features, int64_t pictures) const {
  Tensor v = features;  // [T, C]
  if (downsampling_.rate > 1) {
    v = downsample(ctx, features, pictures);
    ctx.observe("downsampled", v.reshape({pictures, v.dim(0) / pictures, v.dim(1)}));
  }
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (i > 0) v = ops::gelu(ctx, v);
    if (steps_[i].norm) v = (*steps_[i].norm)(ctx, v);
    v = steps_[i].linear(ctx, v);
  }
  return v;  // [T, D]
}

}  // namespace vila::model
