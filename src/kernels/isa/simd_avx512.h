// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include <immintrin.h>

#include "base/numeric.h"

/// Sixteen lanes: AVX-512 F, BW, DQ and VL. simd_scalar.h says what each operation means.
namespace vila::kernels {
namespace {
namespace isa {

struct F32 {
  __m512 value;
};

inline constexpr int64_t kLanes = 16;
// 28 of the 32 registers accumulate; 2 hold weights; x is broadcast straight from memory.
inline constexpr int kTileRows = 14;
inline constexpr int kTileVectors = 2;

inline F32 zero() {
  return {_mm512_setzero_ps()};
}

inline F32 set(float value) {
  return {_mm512_set1_ps(value)};
}

inline F32 load(const float* x) {
  return {_mm512_loadu_ps(x)};
}

inline void store(float* y, F32 a) {
  _mm512_storeu_ps(y, a.value);
}

inline __mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>((1U << static_cast<uint32_t>(count)) - 1U);
}

inline F32 load_partial(const float* x, int64_t count) {
  return {_mm512_maskz_loadu_ps(first_lanes(count), x)};
}

inline void store_partial(float* y, int64_t count, F32 a) {
  _mm512_mask_storeu_ps(y, first_lanes(count), a.value);
}

inline F32 widen(const float* x) {
  return load(x);
}

inline F32 widen(const bf16* x) {
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}

inline F32 widen(const f16* x) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)))};
}

inline float widen_one(const float* x) {
  return *x;
}

inline float widen_one(const bf16* x) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(x->bits) << 16);
}

inline float widen_one(const f16* x) {
  return _cvtsh_ss(x->bits);
}

inline F32 add(F32 a, F32 b) {
  return {_mm512_add_ps(a.value, b.value)};
}

inline F32 sub(F32 a, F32 b) {
  return {_mm512_sub_ps(a.value, b.value)};
}

inline F32 mul(F32 a, F32 b) {
  return {_mm512_mul_ps(a.value, b.value)};
}

inline F32 div(F32 a, F32 b) {
  return {_mm512_div_ps(a.value, b.value)};
}

inline F32 fma(F32 a, F32 b, F32 c) {
  return {_mm512_fmadd_ps(a.value, b.value, c.value)};
}

inline F32 fnma(F32 a, F32 b, F32 c) {
  return {_mm512_fnmadd_ps(a.value, b.value, c.value)};
}

inline F32 max(F32 a, F32 b) {
  return {_mm512_max_ps(a.value, b.value)};
}

inline F32 min(F32 a, F32 b) {
  return {_mm512_min_ps(a.value, b.value)};
}

inline F32 abs(F32 a) {
  return {_mm512_abs_ps(a.value)};
}

inline F32 round(F32 a) {
  return {_mm512_roundscale_ps(a.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

inline F32 power_of_two(F32 a) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a.value), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23))};
}

inline F32 select_greater(F32 a, F32 b, F32 x, F32 y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.value, b.value, _CMP_GT_OQ), y.value, x.value)};
}

inline float reduce_add(F32 a) {
  return _mm512_reduce_add_ps(a.value);
}

inline float reduce_max(F32 a) {
  return _mm512_reduce_max_ps(a.value);
}

inline void transpose(F32 (&rows)[kLanes]) {
  __m512 pair[16];
  for (int i = 0; i < 16; i += 2) {
    pair[i] = _mm512_unpacklo_ps(rows[i].value, rows[i + 1].value);
    pair[i + 1] = _mm512_unpackhi_ps(rows[i].value, rows[i + 1].value);
  }
  // quad[i + c] holds, in each 128-bit part p, column 4 p + c of rows i to i + 3.
  __m512 quad[16];
  for (int i = 0; i < 16; i += 4) {
    quad[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
    quad[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xee);
    quad[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    quad[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
  }
  for (int c = 0; c < 4; ++c) {
    const __m512 low_even = _mm512_shuffle_f32x4(quad[c], quad[c + 4], 0x88);
    const __m512 low_odd = _mm512_shuffle_f32x4(quad[c], quad[c + 4], 0xdd);
    const __m512 high_even = _mm512_shuffle_f32x4(quad[c + 8], quad[c + 12], 0x88);
    const __m512 high_odd = _mm512_shuffle_f32x4(quad[c + 8], quad[c + 12], 0xdd);
    rows[c].value = _mm512_shuffle_f32x4(low_even, high_even, 0x88);
    rows[c + 4].value = _mm512_shuffle_f32x4(low_odd, high_odd, 0x88);
    rows[c + 8].value = _mm512_shuffle_f32x4(low_even, high_even, 0xdd);
    rows[c + 12].value = _mm512_shuffle_f32x4(low_odd, high_odd, 0xdd);
  }
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
