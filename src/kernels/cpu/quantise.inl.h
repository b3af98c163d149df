// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/norm.inl.h"
#include "kernels/kernels.h"

/// Activations to signed 8 bits, a scale for each row and group.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

inline constexpr float kLargestCode = 127.0F;
// Below, 127 / absmax would overflow; far below anything that a network computes.
inline constexpr float kSmallestAbsmax = 1e-30F;

/// The largest |x|; NaN where x holds NaN or infinity.
inline float finite_absmax(const float* x, int64_t size) {
  F32 most = isa::zero();
  F32 poison = isa::zero();  // x * 0 is NaN for NaN and infinity, and NaN stays
  for (int64_t i = 0; i < size; i += kLanes) {
    const F32 value = size - i < kLanes ? isa::load_partial(x + i, size - i) : isa::load(x + i);
    most = isa::max(isa::abs(value), most);
    poison = isa::fma(value, isa::zero(), poison);
  }
  return isa::reduce_max(most) + isa::reduce_add(poison);
}

/// Where a row's codes go: four at a time, `stride` bytes apart.
struct CodeTarget {
  int8_t* codes;
  int64_t stride;
};

/// Codes of one group of a row: x * factor rounded. Returns their sum.
inline float quantise_group(const float* x, int64_t size, float factor, CodeTarget target) {
  alignas(64) int8_t bytes[kLanes < 4 ? 4 : kLanes];
  constexpr int64_t kStep = static_cast<int64_t>(sizeof(bytes));
  F32 sum = isa::zero();
  for (int64_t i = 0; i < size; i += kStep) {
    const int64_t count = least(size - i, kStep);
    for (int64_t j = 0; j < kStep; j += kLanes) {
      const int64_t left = least(count - j, kLanes);
      const F32 value = left < kLanes ? isa::load_partial(x + i + j, left) : isa::load(x + i + j);
      const F32 code = isa::round(isa::mul(value, isa::set(factor)));
      sum = isa::add(sum, code);
      isa::store_bytes(bytes + j, code);
    }
    for (int64_t j = 0; j < count; j += 4, target.codes += target.stride)
      __builtin_memcpy(target.codes, bytes + j, 4);
  }
  return isa::reduce_add(sum);
}

/// Row i of a panel of `rows` rows; codes, scales and sums begin at the panel.
inline void quantise_row(const float* x, const QuantiseRowsArgs& panel, int64_t rows, int64_t i) {
  CodeTarget target{panel.codes + 4 * i, 4 * rows};
  for (int64_t g = 0; g < panel.depth / panel.group; ++g) {
    const float absmax = finite_absmax(x, panel.group);
    const bool is_used = absmax >= kSmallestAbsmax;  // false for NaN
    const float factor = is_used ? kLargestCode / absmax : 0.0F;
    const float scale = absmax < kSmallestAbsmax ? 0.0F : absmax / kLargestCode;
    float sum = 0.0F;
    if (is_used) {
      sum = quantise_group(x, panel.group, factor, target);
    } else {
      for (int64_t k = 0; k < panel.group; k += 4)
        __builtin_memset(target.codes + k / 4 * target.stride, 0, 4);
    }
    panel.scales[g * rows + i] = scale;
    panel.sums[g * rows + i] = sum;
    x += panel.group;
    target.codes += panel.group / 4 * target.stride;
  }
}

void quantise_rows(const QuantiseRowsArgs& args) noexcept {
  const int64_t groups = args.depth / args.group;
  for (int64_t row = args.row_begin; row < args.row_end; row += args.panel_rows) {
    const int64_t rows = least(args.panel_rows, args.rows - row);
    QuantiseRowsArgs panel = args;
    panel.codes += row * args.depth;
    panel.scales += row * groups;
    panel.sums += row * groups;
    for (int64_t i = 0; i < rows; ++i)
      quantise_row(args.x + (row + i) * args.x_stride, panel, rows, i);
  }
}

}  // namespace
}  // namespace vila::kernels
