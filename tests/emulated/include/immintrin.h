// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stands in front of the compiler's <immintrin.h> where a table for a wider instruction set is
// compiled for a CPU with AVX2: SIMDe computes each AVX-512 operation by narrower ones, so that the
// same kernel source runs, slowly, on a machine that has none of it. At the end stands what SIMDe
// 0.7.4 lacks or rounds otherwise, each operation under the name the kernels call.
#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

namespace emulated {
namespace {

/// Lanes whose bit is 0 are neither read nor written, as the instructions promise.
inline __m512 maskz_loadu_ps(unsigned mask, const void* source) {
  float lanes[16] = {};
  for (unsigned i = 0; i < 16; ++i) {
    if ((mask >> i & 1U) != 0) lanes[i] = static_cast<const float*>(source)[i];
  }
  return _mm512_loadu_ps(lanes);
}

inline void mask_storeu_ps(void* target, unsigned mask, __m512 value) {
  float lanes[16];
  _mm512_storeu_ps(lanes, value);
  for (unsigned i = 0; i < 16; ++i) {
    if ((mask >> i & 1U) != 0) static_cast<float*>(target)[i] = lanes[i];
  }
}

inline __m512 cvtph_ps(__m256i halves) {
  const __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
  const __m256 high = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
  float lanes[16];
  _mm256_storeu_ps(lanes, low);
  _mm256_storeu_ps(lanes + 8, high);
  return _mm512_loadu_ps(lanes);
}

inline __m512i cvtepu16_epi32(__m256i words) {
  unsigned short narrow[16];
  int wide[16];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(narrow), words);
  for (int i = 0; i < 16; ++i)
    wide[i] = narrow[i];
  return _mm512_loadu_si512(wide);
}

/// To the nearest half, ties to even: the only rounding that is asked for.
inline __m256i cvtps_ph(__m512 value, int) {
  float lanes[16];
  _mm512_storeu_ps(lanes, value);
  const __m128i low = _mm256_cvtps_ph(_mm256_loadu_ps(lanes), _MM_FROUND_TO_NEAREST_INT);
  const __m128i high = _mm256_cvtps_ph(_mm256_loadu_ps(lanes + 8), _MM_FROUND_TO_NEAREST_INT);
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

inline __m512i cvtepi8_epi32(__m128i bytes) {
  signed char narrow[16];
  int wide[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(narrow), bytes);
  for (int i = 0; i < 16; ++i)
    wide[i] = narrow[i];
  return _mm512_loadu_si512(wide);
}

inline __m256i cvtepi32_epi16(__m512i words) {
  int wide[16];
  unsigned short narrow[16];
  _mm512_storeu_si512(wide, words);
  for (int i = 0; i < 16; ++i)
    narrow[i] = static_cast<unsigned short>(wide[i]);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(narrow));
}

/// SIMDe's own goes through 2^floor(b), which overflows where the product does not.
inline __m512 scalef_ps(__m512 a, __m512 b) {
  float factors[16];
  float powers[16];
  _mm512_storeu_ps(factors, a);
  _mm512_storeu_ps(powers, b);
  for (int i = 0; i < 16; ++i) {
    const float power = __builtin_fminf(__builtin_fmaxf(powers[i], -400.0F), 400.0F);
    const bool is_nan = powers[i] != powers[i];
    factors[i] = is_nan ? powers[i]
                        : __builtin_ldexpf(factors[i], static_cast<int>(__builtin_floorf(power)));
  }
  return _mm512_loadu_ps(factors);
}

/// Halves are added until one lane is left: the compiler's order.
inline float reduce_add_ps(__m512 value) {
  float lanes[16];
  _mm512_storeu_ps(lanes, value);
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i)
      lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

inline float reduce_max_ps(__m512 value) {
  float lanes[16];
  _mm512_storeu_ps(lanes, value);
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i)
      lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  }
  return lanes[0];
}

inline __m512 cvtepi32_ps(__m512i words) {
  int whole[16];
  float lanes[16];
  _mm512_storeu_si512(whole, words);
  for (int i = 0; i < 16; ++i)
    lanes[i] = static_cast<float>(whole[i]);
  return _mm512_loadu_ps(lanes);
}

/// To the nearest integer, ties to even; what no int holds becomes the least int.
inline __m512i cvtps_epi32(__m512 value) {
  float lanes[16];
  int whole[16];
  _mm512_storeu_ps(lanes, value);
  for (int i = 0; i < 16; ++i) {
    const bool fits = lanes[i] >= -0x1p31F && lanes[i] < 0x1p31F;
    whole[i] = fits ? static_cast<int>(__builtin_nearbyintf(lanes[i])) : -0x7fffffff - 1;
  }
  return _mm512_loadu_si512(whole);
}

/// SIMDe gives the name to its masked form.
inline __m512i madd_epi16(__m512i a, __m512i b) {
  short left[32];
  short right[32];
  int sums[16];
  _mm512_storeu_si512(left, a);
  _mm512_storeu_si512(right, b);
  for (int i = 0; i < 16; ++i)
    sums[i] = left[2 * i] * right[2 * i] + left[2 * i + 1] * right[2 * i + 1];
  return _mm512_loadu_si512(sums);
}

}  // namespace
}  // namespace emulated

#undef _mm512_scalef_ps
#define _mm512_scalef_ps emulated::scalef_ps
#define _mm512_maskz_loadu_ps emulated::maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated::mask_storeu_ps
#define _mm512_cvtph_ps emulated::cvtph_ps
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph emulated::cvtps_ph
#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32 emulated::cvtepi8_epi32
#define _mm512_cvtepu16_epi32 emulated::cvtepu16_epi32
#define _mm512_cvtepi32_epi16 emulated::cvtepi32_epi16
#define _mm512_cvtepi32_ps emulated::cvtepi32_ps
#define _mm512_cvtps_epi32 emulated::cvtps_epi32
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 emulated::madd_epi16
#define _mm256_dpbusd_avx_epi32 simde_mm256_dpbusd_epi32
#define _mm512_reduce_add_ps emulated::reduce_add_ps
#define _mm512_reduce_max_ps emulated::reduce_max_ps
