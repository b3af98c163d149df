// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_avx512_vnni.h"
#include "kernels/isa/pair_step_bf16.h"

/// Also vdpbf16ps: words that hold two bf16 each, as F32; twice the products of a multiply-add.
namespace vila::kernels {
namespace {
namespace isa {

/// Word i holds elements 2 i and 2 i + 1 of low and high, one behind the other.
inline F32 pair_neighbours(F32 low, F32 high) {
  return {_mm512_castsi512_ps(narrow_pair(low.value, high.value))};
}

/// Word i holds element i of `first` and element i of `second`.
inline F32 pair_lanes(F32 first, F32 second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i halves = narrow_pair(first.value, second.value);
  return {_mm512_castsi512_ps(_mm512_permutexvar_epi16(order, halves))};
}

/// sum + both products of each word.
inline F32 multiply_pairs(F32 a, F32 b, F32 sum) {
  return {pair_step(sum.value, a.value, b.value)};
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
