// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_256.h"

/// Without a dot product instruction: vpmaddubsw adds two products of bytes in 16 bits, which would
/// saturate for codes of 8 bits (2 * 255 * 127). Codes up to 15 leave room for eight such sums
/// (16 * 15 * 127 = 30480) before they need 32 bits, so bytes are taken as two nibbles.
namespace vila::kernels {
namespace {
namespace isa {

// 8 partial sums, 4 vectors of codes, x and a product take 14 of the 16 registers.
inline constexpr int kDotRows = 4;
inline constexpr int kDotSums = 8;
inline constexpr int64_t kPartialSteps = 8;
inline constexpr int kBytePlanes = 2;

inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  return {_mm256_add_epi16(sum.value, _mm256_maddubs_epi16(codes.value, x.value))};
}

inline Sums gather(Sums total, Partial sum) {
  const __m256i pairs = _mm256_madd_epi16(sum.value, _mm256_set1_epi16(1));
  return {_mm256_add_epi32(total.value, pairs)};
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
