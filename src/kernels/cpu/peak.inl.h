// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/norm.inl.h"
#include "kernels/kernels.h"

/// Loops that do nothing but multiply-add, or nothing but read: the limits that kernels are held
/// to.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

// Enough independent sums to cover the latency of two units, few enough for 16 registers.
inline constexpr int64_t kFmaChains = 12;
inline constexpr int64_t kFmaLoopFlops = 2 * kFmaChains * kLanes;

float fma_loop(int64_t rounds) noexcept {
  F32 sum[kFmaChains];
  for (int64_t c = 0; c < kFmaChains; ++c)
    sum[c] = isa::set(static_cast<float>(c));
  const F32 factor = isa::set(0.5F);
  const F32 term = isa::set(1.0F);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int64_t c = 0; c < kFmaChains; ++c)
      sum[c] = isa::fma(sum[c], factor, term);
  }
  F32 total = isa::zero();
  for (int64_t c = 0; c < kFmaChains; ++c)
    total = isa::add(total, sum[c]);
  return isa::reduce_add(total);
}

inline constexpr int64_t kDotLoopOps = 2 * 4 * kFmaChains * kLanes;

int32_t dot_loop(int64_t rounds) noexcept {
  alignas(64) static constexpr uint8_t kCodes[4 * kLanes] = {1};
  alignas(64) static constexpr int8_t kQuad[4] = {1, 2, 3, 4};
  isa::Partial sum[kFmaChains];
  for (int64_t c = 0; c < kFmaChains; ++c)
    sum[c] = isa::no_partial();
  isa::Codes codes = isa::load_codes(kCodes);
  const isa::Quad quad = isa::broadcast(kQuad);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int64_t c = 0; c < kFmaChains; ++c) {
      isa::hide(codes);
      sum[c] = isa::accumulate(sum[c], codes, quad);
    }
  }
  int32_t total = 0;
  for (int64_t c = 0; c < kFmaChains; ++c)
    total ^= isa::first_lane(sum[c]);
  return total;
}

float read_loop(const float* x, int64_t size) noexcept {
  return sum(x, size);
}

}  // namespace
}  // namespace vila::kernels
