// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_512.h"

/// AVX-512 BW without VNNI: the 16-bit sums of dot_avx2.h on 512 bits.
namespace vila::kernels {
namespace {
namespace isa {

struct Quad {
  __m512i value;
};

// 24 partial sums of bytes in two planes, 2 vectors of codes, x and a product fit 32 registers.
inline constexpr int kDotRows = 12;
inline constexpr int kDotSums = 24;
inline constexpr int64_t kPartialSteps = 8;
inline constexpr int kBytePlanes = 2;

inline Quad broadcast(const int8_t* x) {
  int32_t word;
  __builtin_memcpy(&word, x, sizeof(word));
  return {_mm512_set1_epi32(word)};
}

inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  return {_mm512_add_epi16(sum.value, _mm512_maddubs_epi16(codes.value, x.value))};
}

inline Sums accumulate_pairs(Sums sum, Codes codes, Quad x) {
  const __m512i pairs = _mm512_maddubs_epi16(codes.value, x.value);
  return {_mm512_add_epi32(sum.value, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
}

inline Sums gather(Sums total, Partial sum) {
  const __m512i pairs = _mm512_madd_epi16(sum.value, _mm512_set1_epi16(1));
  return {_mm512_add_epi32(total.value, pairs)};
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
