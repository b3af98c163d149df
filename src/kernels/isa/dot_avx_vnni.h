// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_256.h"

/// vpdpbusd on 256 bits: four products and their sum in 32 bits, exact for codes of 8 bits.
namespace vila::kernels {
namespace {
namespace isa {

// 10 sums, 4 vectors of codes and x take 15 of the 16 registers.
inline constexpr int kDotRows = 5;
inline constexpr int kDotSums = 10;
inline constexpr int64_t kPartialSteps = int64_t{1} << 30;
inline constexpr int kBytePlanes = 1;

inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  return {_mm256_dpbusd_avx_epi32(sum.value, codes.value, x.value)};
}

inline Sums gather(Sums total, Partial sum) {
  return {_mm256_add_epi32(total.value, sum.value)};
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
