// SPDX-License-Identifier: Apache-2.0
#include "ops/helpers.h"
#include "ops/ops.h"

namespace vila::ops {
namespace {

void check_vector(const Tensor& x, const Tensor& vector) {
  VILA_CHECK(vector.rank() == 1 && vector.dim(0) == x.dim(1), "vector is {} for x {}",
             vector.text(), x.text());
}

using Kernel = void (*)(const kernels::NormArgs&) noexcept;

/// Applies `kernel` to each row; the x and y of `whole` are set here.
Tensor normalise(Context& ctx, const Tensor& x, const Tensor& y, kernels::NormArgs whole,
                 Kernel kernel) {
  const int64_t size = x.dim(1);
  whole.size = size;
  ctx.pool.parallel_for(x.dim(0), rows_per_task(size), [&](int64_t begin, int64_t end) {
    kernels::NormArgs row = whole;
    for (int64_t t = begin; t < end; ++t) {
      row.x = x.data<float>() + t * size;
      row.y = y.data<float>() + t * size;
      kernel(row);
    }
  });
  return y;
}

}  // namespace

Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& weight, double epsilon) {
  VILA_CHECK(x.rank() == 2, "x is {}", x.text());
  check_vector(x, weight);
  const Tensor y = arena_tensor(ctx.arena, DType::f32, x.shape());
  const ArenaScope scratch(ctx.arena);
  kernels::NormArgs args{};
  args.weight = widened(ctx, weight);
  args.epsilon = static_cast<float>(epsilon);
  return normalise(ctx, x, y, args, ctx.kernels.rms_norm);
}

Tensor layer_norm(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  double epsilon) {
  VILA_CHECK(x.rank() == 2, "x is {}", x.text());
  check_vector(x, weight);
  if (bias.defined()) check_vector(x, bias);
  const Tensor y = arena_tensor(ctx.arena, DType::f32, x.shape());
  const ArenaScope scratch(ctx.arena);
  kernels::NormArgs args{};
  args.weight = widened(ctx, weight);
  args.bias = bias.defined() ? widened(ctx, bias) : nullptr;
  args.epsilon = static_cast<float>(epsilon);
  return normalise(ctx, x, y, args, ctx.kernels.layer_norm);
}

}  // namespace vila::ops
