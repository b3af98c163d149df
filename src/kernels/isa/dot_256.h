// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <immintrin.h>

/// What dot_avx2.h and dot_avx_vnni.h share; dot_scalar.h says what each operation means.
namespace vila::kernels {
namespace {
namespace isa {

struct Codes {
  __m256i value;
};

struct Quad {
  __m256i value;
};

struct Sums {
  __m256i value;
};

struct Partial {
  __m256i value;
};

inline Codes load_codes(const uint8_t* x) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))};
}

inline void store_codes(uint8_t* y, Codes codes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), codes.value);
}

inline Codes byte_codes(Codes codes) {
  return codes;
}

inline Codes low_nibbles(Codes codes) {
  return {_mm256_and_si256(codes.value, _mm256_set1_epi8(15))};
}

inline Codes high_nibbles(Codes codes) {
  return {_mm256_and_si256(_mm256_srli_epi16(codes.value, 4), _mm256_set1_epi8(15))};
}

inline Quad broadcast(const int8_t* x) {
  int32_t word;
  __builtin_memcpy(&word, x, sizeof(word));
  return {_mm256_set1_epi32(word)};
}

inline Partial no_partial() {
  return {_mm256_setzero_si256()};
}

inline Sums no_sums() {
  return {_mm256_setzero_si256()};
}

inline Sums join_planes(Sums low, Sums high) {
  return {_mm256_add_epi32(low.value, _mm256_slli_epi32(high.value, 4))};
}

inline Sums without_byte_zero(Sums sums, float x_sum) {
  const __m256i whole = _mm256_cvtps_epi32(_mm256_set1_ps(x_sum));
  return {_mm256_sub_epi32(sums.value, _mm256_slli_epi32(whole, 7))};
}

inline F32 to_float(Sums sums) {
  return {_mm256_cvtepi32_ps(sums.value)};
}

template <int kShift>
inline F32 field(Codes codes, int mask) {
  const __m256i shifted = _mm256_srli_epi32(codes.value, kShift);
  return {_mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(mask)))};
}

inline void store_bytes(int8_t* y, F32 a) {
  const __m256i words = _mm256_cvtps_epi32(a.value);
  const __m128i halves =
      _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(y), _mm_packs_epi16(halves, halves));
}

inline int32_t first_lane(Partial sum) {
  return _mm256_cvtsi256_si32(sum.value);
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
