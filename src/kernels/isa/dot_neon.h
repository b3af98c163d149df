// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_128_neon.h"

/// Without a dot product instruction (Armv8.0-A): SMLAL adds one product of bytes to each sum of 16
/// bits. Codes up to 15 leave room for 16 of them (16 * 15 * 127 = 30480), so bytes are taken as
/// two nibbles, like dot_avx2.h does.
namespace vila::kernels {
namespace {
namespace isa {

/// Sums of 16 bits by row and k mod 4: rows 0 and 1, rows 2 and 3.
struct Partial {
  int16x8_t first;
  int16x8_t last;
};

// 8 partial sums of two registers each, their 8 totals, 4 vectors of codes and x.
inline constexpr int kDotRows = 4;
inline constexpr int kDotSums = 8;
inline constexpr int64_t kPartialSteps = 16;
inline constexpr int kBytePlanes = 2;

inline Partial no_partial() {
  return {vdupq_n_s16(0), vdupq_n_s16(0)};
}

inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  const int8x16_t code = vreinterpretq_s8_u8(codes.value);
  return {vmlal_s8(sum.first, vget_low_s8(code), vget_low_s8(x.value)),
          vmlal_high_s8(sum.last, code, x.value)};
}

inline Sums gather(Sums total, Partial sum) {
  const int32x4_t rows = vpaddq_s32(vpaddlq_s16(sum.first), vpaddlq_s16(sum.last));
  return {vaddq_s32(total.value, rows)};
}

/// Nibbles are never taken as bytes here: kBytePlanes is 2.
inline Codes byte_codes(Codes codes) {
  return codes;
}

inline Sums without_byte_zero(Sums sums, float x_sum) {
  const int32x4_t whole = vcvtnq_s32_f32(vdupq_n_f32(x_sum));
  return {vsubq_s32(sums.value, vshlq_n_s32(whole, 7))};
}

inline int32_t first_lane(Partial sum) {
  return vgetq_lane_s16(sum.first, 0);
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
