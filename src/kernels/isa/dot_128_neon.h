// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <arm_neon.h>

/// What dot_neon.h and dot_neon_dotprod.h share; dot_scalar.h says what each operation means. A
/// vector holds four consecutive k of four rows, so that a line of 64 bytes is four vectors.
namespace vila::kernels {
namespace {
namespace isa {

struct Codes {
  uint8x16_t value;
};

struct Quad {
  int8x16_t value;
};

struct Sums {
  int32x4_t value;
};

inline Codes load_codes(const uint8_t* x) {
  return {vld1q_u8(x)};
}

inline void store_codes(uint8_t* y, Codes codes) {
  vst1q_u8(y, codes.value);
}

inline Codes low_nibbles(Codes codes) {
  return {vandq_u8(codes.value, vdupq_n_u8(15))};
}

inline Codes high_nibbles(Codes codes) {
  return {vshrq_n_u8(codes.value, 4)};
}

inline Quad broadcast(const int8_t* x) {
  int32_t word;
  __builtin_memcpy(&word, x, sizeof(word));
  return {vreinterpretq_s8_s32(vdupq_n_s32(word))};
}

inline Sums no_sums() {
  return {vdupq_n_s32(0)};
}

inline Sums join_planes(Sums low, Sums high) {
  return {vaddq_s32(low.value, vshlq_n_s32(high.value, 4))};
}

inline F32 to_float(Sums sums) {
  return {vcvtq_f32_s32(sums.value)};
}

template <int kShift>
inline F32 field(Codes codes, int mask) {
  const uint32x4_t words = vreinterpretq_u32_u8(codes.value);
  const uint32x4_t shifted = vshlq_u32(words, vdupq_n_s32(-kShift));
  return {vcvtq_f32_u32(vandq_u32(shifted, vdupq_n_u32(static_cast<uint32_t>(mask))))};
}

inline void store_bytes(int8_t* y, F32 a) {
  const int16x4_t halves = vqmovn_s32(vcvtnq_s32_f32(a.value));
  const int8x8_t bytes = vqmovn_s16(vcombine_s16(halves, halves));
  const int32_t word = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
  __builtin_memcpy(y, &word, sizeof(word));
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
