// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "ops/context.h"

/// What the ops share among themselves.
namespace vila::ops {

/// Elements of one task of an elementwise op: 64 KiB, well above the cost of handing it over.
inline constexpr int64_t kElementsPerTask = 1 << 14;

/// Rows of one task when a row has `size` elements.
inline int64_t rows_per_task(int64_t size) {
  return size >= kElementsPerTask ? 1 : kElementsPerTask / (size < 1 ? 1 : size);
}

/// The elements of a small weight (a bias, a gain) as f32: its own memory, or a copy in the arena.
inline const float* widened(Context& ctx, const Tensor& weight) {
  VILA_CHECK(is_weight_dtype(weight.dtype()), "weight is {}", weight.text());
  if (weight.dtype() == DType::f32) return weight.data<float>();
  const Tensor wide = arena_tensor(ctx.arena, DType::f32, weight.shape());
  ctx.kernels.widen(weight.dtype(), weight.raw(), weight.numel(), wide.data<float>());
  return wide.data<float>();
}

}  // namespace vila::ops
