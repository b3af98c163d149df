// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_128_neon.h"

/// SDOT (Armv8.2-A's FEAT_DotProd): four products of signed bytes and their sum in 32 bits. Codes
/// of 4 bits are signed bytes as they are. Codes of 8 bits are values + 128: with the top bit
/// flipped they are the values themselves, in [-128, 127], so no zero point is left to subtract.
/// A sum stays below 2^31 for each group: 65536 * 128 * 127 < 2^30.
namespace vila::kernels {
namespace {
namespace isa {

struct Partial {
  int32x4_t value;
};

// 16 sums, 8 vectors of codes and x take 25 of the 32 registers; with 5 rows GCC 12 spills.
inline constexpr int kDotRows = 4;
inline constexpr int kDotSums = 16;
inline constexpr int64_t kPartialSteps = int64_t{1} << 30;
inline constexpr int kBytePlanes = 1;

inline Partial no_partial() {
  return {vdupq_n_s32(0)};
}

inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  return {vdotq_s32(sum.value, vreinterpretq_s8_u8(codes.value), x.value)};
}

inline Sums gather(Sums total, Partial sum) {
  return {vaddq_s32(total.value, sum.value)};
}

inline Codes byte_codes(Codes codes) {
  return {veorq_u8(codes.value, vdupq_n_u8(128))};
}

/// byte_codes() took the zero away.
inline Sums without_byte_zero(Sums sums, float) {
  return sums;
}

inline int32_t first_lane(Partial sum) {
  return vgetq_lane_s32(sum.value, 0);
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
