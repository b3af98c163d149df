// SPDX-License-Identifier: Apache-2.0
#pragma once

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

inline F32 widen(const int8_t* x) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes))};
}

inline void narrow(f16* y, F32 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y),
                      _mm512_cvtps_ph(a.value, _MM_FROUND_TO_NEAREST_INT));
}

inline float widen_one(const int8_t* x) {
  return static_cast<float>(*x);
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

inline F32 scale_by_power(F32 a, F32 n) {
  return {_mm512_scalef_ps(a.value, n.value)};
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

/// Four words of rows r, r + 4, r + 8 and r + 12, each in its 128-bit part: placed by loads, which
/// leaves half of the shuffles of a transposition.
inline __m512 gather_parts(const void* const* row, int64_t byte) {
  const auto words = [row, byte](int i) {
    return _mm_loadu_ps(reinterpret_cast<const float*>(static_cast<const char*>(row[i]) + byte));
  };
  __m512 parts = _mm512_castps128_ps512(words(0));
  parts = _mm512_mask_broadcast_f32x4(parts, 0x00f0, words(4));
  parts = _mm512_mask_broadcast_f32x4(parts, 0x0f00, words(8));
  return _mm512_mask_broadcast_f32x4(parts, 0xf000, words(12));
}

inline void load_transposed(const void* const (&row)[kLanes], F32 (&block)[kLanes]) {
#pragma GCC unroll 4
  for (int group = 0; group < 4; ++group) {
    const __m512 part_0 = gather_parts(row, group * 16);
    const __m512 part_1 = gather_parts(row + 1, group * 16);
    const __m512 part_2 = gather_parts(row + 2, group * 16);
    const __m512 part_3 = gather_parts(row + 3, group * 16);
    const __m512 low_01 = _mm512_unpacklo_ps(part_0, part_1);
    const __m512 high_01 = _mm512_unpackhi_ps(part_0, part_1);
    const __m512 low_23 = _mm512_unpacklo_ps(part_2, part_3);
    const __m512 high_23 = _mm512_unpackhi_ps(part_2, part_3);
    block[4 * group].value = _mm512_shuffle_ps(low_01, low_23, 0x44);
    block[4 * group + 1].value = _mm512_shuffle_ps(low_01, low_23, 0xee);
    block[4 * group + 2].value = _mm512_shuffle_ps(high_01, high_23, 0x44);
    block[4 * group + 3].value = _mm512_shuffle_ps(high_01, high_23, 0xee);
  }
}

inline void split_pairs(F32 words, const bf16*, F32& first, F32& second) {
  const __m512i bits = _mm512_castps_si512(words.value);
  first.value = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
  second.value =
      _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
}

inline void split_pairs(F32 words, const f16*, F32& first, F32& second) {
  const __m512i bits = _mm512_castps_si512(words.value);
  first.value = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(bits));
  second.value = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
