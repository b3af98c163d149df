// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include "base/numeric.h"

/// Stands in front of the kernels' own, which is written in assembly.
namespace vila::kernels {
namespace {
namespace isa {

inline __m512 pair_step(__m512 sum, __m512 a, __m512 b) {
  float total[16];
  bf16 first[32];
  bf16 second[32];
  _mm512_storeu_ps(total, sum);
  _mm512_storeu_ps(first, a);
  _mm512_storeu_ps(second, b);
  for (int i = 0; i < 32; ++i)
    total[i / 2] += to_f32(first[i]) * to_f32(second[i]);
  return _mm512_loadu_ps(total);
}

inline __m512i narrow_pair(__m512 low, __m512 high) {
  float wide[32];
  bf16 narrow[32];
  _mm512_storeu_ps(wide, low);
  _mm512_storeu_ps(wide + 16, high);
  for (int i = 0; i < 32; ++i)
    narrow[i] = to_bf16(wide[i]);
  return _mm512_loadu_si512(narrow);
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
