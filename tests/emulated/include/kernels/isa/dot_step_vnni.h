// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <immintrin.h>

/// Stands in front of the kernels' own, which is written in assembly.
namespace vila::kernels {
namespace {
namespace isa {

inline __m512i dot_step(__m512i sum, __m512i codes, const int8_t* x) {
  int word;
  __builtin_memcpy(&word, x, sizeof(word));
  return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(word));
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
