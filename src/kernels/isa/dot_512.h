// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <immintrin.h>

/// What dot_avx512.h and dot_avx512_vnni.h share; dot_scalar.h says what each operation means.
namespace vila::kernels {
namespace {
namespace isa {

struct Codes {
  __m512i value;
};

struct Sums {
  __m512i value;
};

struct Partial {
  __m512i value;
};

inline Codes load_codes(const uint8_t* x) {
  return {_mm512_loadu_si512(x)};
}

inline void store_codes(uint8_t* y, Codes codes) {
  _mm512_storeu_si512(y, codes.value);
}

inline Codes byte_codes(Codes codes) {
  return codes;
}

inline Codes low_nibbles(Codes codes) {
  return {_mm512_and_si512(codes.value, _mm512_set1_epi8(15))};
}

inline Codes high_nibbles(Codes codes) {
  return {_mm512_and_si512(_mm512_srli_epi16(codes.value, 4), _mm512_set1_epi8(15))};
}

inline Partial no_partial() {
  return {_mm512_setzero_si512()};
}

inline Sums no_sums() {
  return {_mm512_setzero_si512()};
}

inline Sums join_planes(Sums low, Sums high) {
  return {_mm512_add_epi32(low.value, _mm512_slli_epi32(high.value, 4))};
}

inline Sums without_byte_zero(Sums sums, float x_sum) {
  const __m512i whole = _mm512_cvtps_epi32(_mm512_set1_ps(x_sum));
  return {_mm512_sub_epi32(sums.value, _mm512_slli_epi32(whole, 7))};
}

inline F32 to_float(Sums sums) {
  return {_mm512_cvtepi32_ps(sums.value)};
}

template <int kShift>
inline F32 field(Codes codes, int mask) {
  const __m512i shifted = _mm512_srli_epi32(codes.value, kShift);
  return {_mm512_cvtepi32_ps(_mm512_and_si512(shifted, _mm512_set1_epi32(mask)))};
}

inline void store_bytes(int8_t* y, F32 a) {
  const __m128i bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a.value));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), bytes);
}

inline int32_t first_lane(Partial sum) {
  return _mm_cvtsi128_si32(_mm512_castsi512_si128(sum.value));
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
