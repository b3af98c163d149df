// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// Dot products of unsigned codes and signed bytes on one lane, and what each operation means; the
/// other dot_*.h define the same names on the lanes of their simd_*.h. A lane is a row of W: a
/// vector of codes holds four consecutive k of kLanes rows.
namespace vila::kernels {
namespace {
namespace isa {

/// Four codes of each row, 0 to 255.
struct Codes {
  uint32_t value;
};

/// Four activations, -127 to 127, the same for each row.
struct Quad {
  uint32_t value;
};

/// The 32-bit sum of each row.
struct Sums {
  int32_t value;
};

/// A sum being made, maybe of fewer bits: it holds kPartialSteps dot products of codes up to 15.
struct Partial {
  int32_t value;
};

inline constexpr int kDotRows = 2;  // rows of x in a tile
inline constexpr int kDotSums = 8;  // partial sums that the registers hold beside codes and x
inline constexpr int64_t kPartialSteps = int64_t{1} << 30;
// How many parts a code of 8 bits is cut into before accumulate() takes it: 1, or 2 nibbles. Where
// it is 2, there may also be accumulate_pairs(Sums, Codes, Quad): accumulate() of codes up to 128
// straight into the 32-bit sum, faster than two planes.
inline constexpr int kBytePlanes = 1;

inline Codes load_codes(const uint8_t* x) {
  Codes codes;
  __builtin_memcpy(&codes.value, x, sizeof(codes.value));
  return codes;
}

inline void store_codes(uint8_t* y, Codes codes) {
  __builtin_memcpy(y, &codes.value, sizeof(codes.value));
}

inline Codes low_nibbles(Codes codes) {
  return {codes.value & 0x0f0f0f0fU};
}

inline Codes high_nibbles(Codes codes) {
  return {codes.value >> 4 & 0x0f0f0f0fU};
}

inline Quad broadcast(const int8_t* x) {
  Quad quad;
  __builtin_memcpy(&quad.value, x, sizeof(quad.value));
  return quad;
}

inline Partial no_partial() {
  return {0};
}

inline Sums no_sums() {
  return {0};
}

/// Codes of 8 bits as accumulate() takes them, where they are not cut into planes.
inline Codes byte_codes(Codes codes) {
  return codes;
}

/// sum + the dot product of four codes and four activations, of each row.
inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  for (uint32_t shift = 0; shift < 32; shift += 8) {
    const auto code = static_cast<int32_t>(codes.value >> shift & 255U);
    sum.value += code * static_cast<int8_t>(x.value >> shift & 255U);
  }
  return sum;
}

// A table may also have accumulate_two(Partial (&sum)[2], const Codes (&codes)[2], Quad): both at
// once, where the order of instructions matters.

/// total + sum.
inline Sums gather(Sums total, Partial sum) {
  return {total.value + sum.value};
}

/// low + 16 * high: the sums of codes cut into nibbles.
inline Sums join_planes(Sums low, Sums high) {
  return {low.value + 16 * high.value};
}

/// The sums of signed values from those of byte_codes(), which are 128 more, unless byte_codes()
/// took that away; x_sum is the sum of the activations, an integer.
inline Sums without_byte_zero(Sums sums, float x_sum) {
  return {sums.value - 128 * static_cast<int32_t>(x_sum)};
}

/// Rounded to nearest even.
inline F32 to_float(Sums sums) {
  return {static_cast<float>(sums.value)};
}

/// (code word >> kShift) & mask of each row.
template <int kShift>
inline F32 field(Codes codes, int mask) {
  return {static_cast<float>(codes.value >> kShift & static_cast<uint32_t>(mask))};
}

/// Integers in [-127, 127] as kLanes bytes.
inline void store_bytes(int8_t* y, F32 a) {
  *y = static_cast<int8_t>(a.value);
}

inline int32_t first_lane(Partial sum) {
  return sum.value;
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
