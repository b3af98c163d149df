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

// Distinct pairs of codes and activations, so that no product is computed once for two sums.
inline constexpr int64_t kDotCodes = 2;
// As many sums as the latency of a dot product asks for, as far as registers hold them.
inline constexpr int64_t kDotChains = isa::kDotSums < kFmaChains ? isa::kDotSums : kFmaChains;
inline constexpr int64_t kDotQuads = kDotChains / kDotCodes;
inline constexpr int64_t kDotLoopOps = 2 * 4 * kDotChains * kLanes;

int32_t dot_loop(const uint8_t* data, int64_t rounds) noexcept {
  isa::Partial sum[kDotCodes][kDotQuads];
  for (int64_t c = 0; c < kDotChains; ++c)
    sum[c % kDotCodes][c / kDotCodes] = isa::no_partial();
  for (int64_t i = 0; i < rounds; ++i) {
    const uint8_t* at = data + i % 8 * 64;  // so that no product can be hoisted out of the loop
    const isa::Codes codes[kDotCodes] = {isa::load_codes(at), isa::load_codes(at + 64)};
#pragma GCC unroll 16
    for (int64_t q = 0; q < kDotQuads; ++q) {
      const isa::Quad quad = isa::broadcast(reinterpret_cast<const int8_t*>(at) + 4 * q);
#pragma GCC unroll 2
      for (int64_t c = 0; c < kDotCodes; ++c)
        sum[c][q] = isa::accumulate(sum[c][q], codes[c], quad);
    }
  }
  int32_t total = 0;
  for (int64_t c = 0; c < kDotChains; ++c)
    total ^= isa::first_lane(sum[c % kDotCodes][c / kDotCodes]);
  return total;
}

float read_loop(const float* x, int64_t size) noexcept {
  return sum(x, size);
}

}  // namespace
}  // namespace vila::kernels
