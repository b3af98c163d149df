// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "base/numeric.h"

/// Eight lanes: AVX2 with FMA and F16C. simd_scalar.h says what each operation means.
namespace vila::kernels {
namespace {
namespace isa {

struct F32 {
  __m256 value;
};

inline constexpr int64_t kLanes = 8;
// 12 of the 16 registers accumulate; 2 hold weights, 1 a broadcast.
inline constexpr int kTileRows = 6;
inline constexpr int kTileVectors = 2;

inline F32 zero() {
  return {_mm256_setzero_ps()};
}

inline F32 set(float value) {
  return {_mm256_set1_ps(value)};
}

inline F32 load(const float* x) {
  return {_mm256_loadu_ps(x)};
}

inline void store(float* y, F32 a) {
  _mm256_storeu_ps(y, a.value);
}

inline __m256i first_lanes(int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}

inline F32 load_partial(const float* x, int64_t count) {
  return {_mm256_maskload_ps(x, first_lanes(count))};
}

inline void store_partial(float* y, int64_t count, F32 a) {
  _mm256_maskstore_ps(y, first_lanes(count), a.value);
}

inline F32 widen(const float* x) {
  return load(x);
}

inline F32 widen(const bf16* x) {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16))};
}

inline F32 widen(const f16* x) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)))};
}

inline F32 widen(const int8_t* x) {
  const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))};
}

inline void narrow(f16* y, F32 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y),
                   _mm256_cvtps_ph(a.value, _MM_FROUND_TO_NEAREST_INT));
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
  return {_mm256_add_ps(a.value, b.value)};
}

inline F32 sub(F32 a, F32 b) {
  return {_mm256_sub_ps(a.value, b.value)};
}

inline F32 mul(F32 a, F32 b) {
  return {_mm256_mul_ps(a.value, b.value)};
}

inline F32 div(F32 a, F32 b) {
  return {_mm256_div_ps(a.value, b.value)};
}

inline F32 fma(F32 a, F32 b, F32 c) {
  return {_mm256_fmadd_ps(a.value, b.value, c.value)};
}

inline F32 fnma(F32 a, F32 b, F32 c) {
  return {_mm256_fnmadd_ps(a.value, b.value, c.value)};
}

inline F32 max(F32 a, F32 b) {
  return {_mm256_max_ps(a.value, b.value)};
}

inline F32 min(F32 a, F32 b) {
  return {_mm256_min_ps(a.value, b.value)};
}

inline F32 abs(F32 a) {
  return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.value)};
}

inline F32 round(F32 a) {
  return {_mm256_round_ps(a.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

inline F32 scale_by_power(F32 a, F32 n) {
  const __m256i whole = _mm256_cvtps_epi32(n.value);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i low = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i high = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  const __m256 scaled = _mm256_mul_ps(a.value, _mm256_castsi256_ps(low));
  return {_mm256_mul_ps(scaled, _mm256_castsi256_ps(high))};
}

inline F32 select_greater(F32 a, F32 b, F32 x, F32 y) {
  return {_mm256_blendv_ps(y.value, x.value, _mm256_cmp_ps(a.value, b.value, _CMP_GT_OQ))};
}

inline float reduce_add(F32 a) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(a.value), _mm256_extractf128_ps(a.value, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

inline float reduce_max(F32 a) {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(a.value), _mm256_extractf128_ps(a.value, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

inline void load_transposed(const void* const (&row)[kLanes], F32 (&block)[kLanes]) {
  for (int group = 0; group < 2; ++group) {
    // part[r] holds four words of row r in its lower half and of row r + 4 in its upper.
    __m256 part[4];
    for (int r = 0; r < 4; ++r) {
      const auto* lower = static_cast<const char*>(row[r]) + group * 16;
      const auto* upper = static_cast<const char*>(row[r + 4]) + group * 16;
      part[r] = _mm256_insertf128_ps(
          _mm256_castps128_ps256(_mm_loadu_ps(reinterpret_cast<const float*>(lower))),
          _mm_loadu_ps(reinterpret_cast<const float*>(upper)), 1);
    }
    const __m256 low_01 = _mm256_unpacklo_ps(part[0], part[1]);
    const __m256 high_01 = _mm256_unpackhi_ps(part[0], part[1]);
    const __m256 low_23 = _mm256_unpacklo_ps(part[2], part[3]);
    const __m256 high_23 = _mm256_unpackhi_ps(part[2], part[3]);
    block[4 * group].value = _mm256_shuffle_ps(low_01, low_23, 0x44);
    block[4 * group + 1].value = _mm256_shuffle_ps(low_01, low_23, 0xee);
    block[4 * group + 2].value = _mm256_shuffle_ps(high_01, high_23, 0x44);
    block[4 * group + 3].value = _mm256_shuffle_ps(high_01, high_23, 0xee);
  }
}

inline void split_pairs(F32 words, const bf16*, F32& first, F32& second) {
  const __m256i bits = _mm256_castps_si256(words.value);
  first.value = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
  second.value = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_srli_epi32(bits, 16), 16));
}

inline void split_pairs(F32 words, const f16*, F32& first, F32& second) {
  const __m256i bits = _mm256_castps_si256(words.value);
  const __m256i low = _mm256_and_si256(bits, _mm256_set1_epi32(0xffff));
  const __m256i both = _mm256_packus_epi32(low, _mm256_srli_epi32(bits, 16));
  const __m256i ordered = _mm256_permute4x64_epi64(both, 0xd8);
  first.value = _mm256_cvtph_ps(_mm256_castsi256_si128(ordered));
  second.value = _mm256_cvtph_ps(_mm256_extracti128_si256(ordered, 1));
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
