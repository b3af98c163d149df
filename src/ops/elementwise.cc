// SPDX-License-Identifier: Apache-2.0
#include "ops/helpers.h"
#include "ops/ops.h"

namespace vila::ops {
namespace {

using Unary = void (*)(const float* x, int64_t size, float* y) noexcept;
using Binary = void (*)(const float* a, const float* b, int64_t size, float* y) noexcept;

Tensor apply(Context& ctx, const Tensor& x, Unary kernel) {
  Tensor y = arena_tensor(ctx.arena, DType::f32, x.shape());
  ctx.pool.parallel_for(x.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    kernel(x.data<float>() + begin, end - begin, y.data<float>() + begin);
  });
  return y;
}

Tensor apply(Context& ctx, const Tensor& a, const Tensor& b, Binary kernel) {
  VILA_CHECK(a.shape() == b.shape(), "a is {}, b is {}", a.text(), b.text());
  Tensor y = arena_tensor(ctx.arena, DType::f32, a.shape());
  ctx.pool.parallel_for(a.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    kernel(a.data<float>() + begin, b.data<float>() + begin, end - begin, y.data<float>() + begin);
  });
  return y;
}

}  // namespace

Tensor add(Context& ctx, const Tensor& a, const Tensor& b) {
  return apply(ctx, a, b, ctx.kernels.add);
}

Tensor add_scaled(Context& ctx, const Tensor& a, const Tensor& b, const Tensor& scale) {
  VILA_CHECK(a.shape() == b.shape() && a.rank() == 2, "a is {}, b is {}", a.text(), b.text());
  VILA_CHECK(scale.rank() == 1 && scale.dim(0) == a.dim(1), "scale is {}", scale.text());
  const int64_t width = a.dim(1);
  Tensor y = arena_tensor(ctx.arena, DType::f32, a.shape());
  ctx.pool.parallel_for(a.dim(0), rows_per_task(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * width; i < end * width; ++i) {
      y.data<float>()[i] = a.data<float>()[i] + b.data<float>()[i] * scale.data<float>()[i % width];
    }
  });
  return y;
}

Tensor silu_mul(Context& ctx, const Tensor& gate, const Tensor& up) {
  return apply(ctx, gate, up, ctx.kernels.silu_mul);
}

Tensor gelu(Context& ctx, const Tensor& x) {
  return apply(ctx, x, ctx.kernels.gelu);
}

Tensor gelu_tanh(Context& ctx, const Tensor& x) {
  return apply(ctx, x, ctx.kernels.gelu_tanh);
}

Tensor quick_gelu(Context& ctx, const Tensor& x) {
  return apply(ctx, x, ctx.kernels.quick_gelu);
}

}  // namespace vila::ops
