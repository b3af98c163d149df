// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm_packed.inl.h"
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

// Vectors of codes and quads of activations; each pair has a sum of its own, as many as the latency
// of a dot product asks for, as far as registers hold them beside the rest.
inline constexpr int64_t kDotCodes = 2;
inline constexpr int64_t kDotQuads = isa::kDotSums < 8 ? 3 : isa::kDotSums < 12 ? 4 : 6;
inline constexpr int64_t kDotChains = kDotCodes * kDotQuads;
inline constexpr int64_t kDotLoopOps = 2 * 4 * kDotChains * kLanes;

/// sum[c] += codes[c] times quad.
template <typename Sum>
inline void add_dots(Sum (&sum)[kDotChains], int64_t q, const isa::Codes (&codes)[kDotCodes],
                     isa::Quad quad) {
  if constexpr (TakesTwo<Sum>) {
    Sum both[kDotCodes] = {sum[kDotCodes * q], sum[kDotCodes * q + 1]};
    accumulate_two(both, codes, quad);
    sum[kDotCodes * q] = both[0];
    sum[kDotCodes * q + 1] = both[1];
  } else {
    for (int64_t c = 0; c < kDotCodes; ++c)
      sum[kDotCodes * q + c] = isa::accumulate(sum[kDotCodes * q + c], codes[c], quad);
  }
}

int32_t dot_loop(const uint8_t* data, int64_t rounds) noexcept {
  isa::Partial sum[kDotChains];
#pragma GCC unroll 16
  for (int64_t c = 0; c < kDotChains; ++c)
    sum[c] = isa::no_partial();
  for (int64_t i = 0; i < rounds; ++i) {
    const uint8_t* at = data + i % 8 * 64;  // so that no product can be hoisted out of the loop
    const isa::Codes codes[kDotCodes] = {isa::load_codes(at), isa::load_codes(at + 64)};
#pragma GCC unroll 16
    for (int64_t q = 0; q < kDotQuads; ++q)
      add_dots(sum, q, codes, isa::broadcast(reinterpret_cast<const int8_t*>(at) + 4 * q));
  }
  int32_t total = 0;
#pragma GCC unroll 16
  for (int64_t c = 0; c < kDotChains; ++c)
    total ^= isa::first_lane(sum[c]);
  return total;
}

float read_loop(const float* x, int64_t size) noexcept {
  return sum(x, size);
}

}  // namespace
}  // namespace vila::kernels
