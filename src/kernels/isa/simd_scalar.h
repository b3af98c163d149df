// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/numeric.h"

/// One lane: the operations of any CPU, and the reference for what each of them means. The other
/// simd_*.h define the same names.
namespace vila::kernels {
namespace {
namespace isa {

struct F32 {
  float value;
};

inline constexpr int64_t kLanes = 1;
// Tile of gemm: kTileRows rows by kTileVectors vectors of accumulators.
inline constexpr int kTileRows = 4;
inline constexpr int kTileVectors = 4;

inline F32 zero() {
  return {0.0F};
}

inline F32 set(float value) {
  return {value};
}

inline F32 load(const float* x) {
  return {*x};
}

inline void store(float* y, F32 a) {
  *y = a.value;
}

/// The first `count` lanes (0 <= count <= kLanes), zeros behind; memory behind is not touched.
inline F32 load_partial(const float* x, int64_t count) {
  return {count > 0 ? *x : 0.0F};
}

inline void store_partial(float* y, int64_t count, F32 a) {
  if (count > 0) *y = a.value;
}

inline F32 widen(const float* x) {
  return {*x};
}

inline F32 widen(const bf16* x) {
  return {__builtin_bit_cast(float, static_cast<uint32_t>(x->bits) << 16)};
}

inline F32 widen(const f16* x) {
  const uint32_t sign = static_cast<uint32_t>(x->bits & 0x8000U) << 16;
  const uint32_t magnitude = x->bits & 0x7fffU;
  uint32_t bits = (magnitude << 13) + 0x38000000U;
  if (magnitude >= 0x7c00U) {
    bits = 0x7f800000U | ((magnitude & 0x3ffU) << 13);
  } else if (magnitude < 0x0400U) {
    bits = __builtin_bit_cast(uint32_t, static_cast<float>(magnitude) * 0x1p-24F);
  }
  return {__builtin_bit_cast(float, sign | bits)};
}

inline F32 widen(const int8_t* x) {
  return {static_cast<float>(*x)};
}

/// To the nearest half, ties to even; overflow gives infinity, NaN stays NaN.
inline void narrow(f16* y, F32 a) {
  const auto bits = __builtin_bit_cast(uint32_t, a.value);
  const uint32_t sign = (bits >> 16) & 0x8000U;
  const uint32_t magnitude = bits & 0x7fffffffU;
  uint32_t half = (magnitude + 0xfffU + ((magnitude >> 13) & 1U) - 0x38000000U) >> 13;
  if (magnitude > 0x7f800000U) {
    half = 0x7e00U;
  } else if (magnitude >= 0x477ff000U) {
    half = 0x7c00U;
  } else if (magnitude < 0x38800000U) {
    // Subnormal: adding 0.5 puts the half's last bit at the float's last bit.
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5F;
    half = __builtin_bit_cast(uint32_t, shifted) - 0x3f000000U;
  }
  y->bits = static_cast<uint16_t>(sign | half);
}

/// One element.
template <typename T>
inline float widen_one(const T* x) {
  return widen(x).value;
}

inline F32 add(F32 a, F32 b) {
  return {a.value + b.value};
}

inline F32 sub(F32 a, F32 b) {
  return {a.value - b.value};
}

inline F32 mul(F32 a, F32 b) {
  return {a.value * b.value};
}

inline F32 div(F32 a, F32 b) {
  return {a.value / b.value};
}

/// a * b + c; one rounding where the CPU has such an instruction.
inline F32 fma(F32 a, F32 b, F32 c) {
  return {a.value * b.value + c.value};
}

/// c - a * b.
inline F32 fnma(F32 a, F32 b, F32 c) {
  return {c.value - a.value * b.value};
}

/// When one of the two is NaN, b.
inline F32 max(F32 a, F32 b) {
  return {a.value > b.value ? a.value : b.value};
}

inline F32 min(F32 a, F32 b) {
  return {a.value < b.value ? a.value : b.value};
}

inline F32 abs(F32 a) {
  return {__builtin_fabsf(a.value)};
}

/// To the nearest integer, ties to even; |a| < 2^22.
inline F32 round(F32 a) {
  constexpr float kShift = 0x1.8p23F;
  return {(a.value + kShift) - kShift};
}

/// a * 2^n for integers n in [-252, 254], in two steps since 2^128 is no f32.
inline F32 scale_by_power(F32 a, F32 n) {
  const auto whole = static_cast<int32_t>(n.value);
  const int32_t half = whole / 2;
  const auto low = static_cast<uint32_t>(half + 127) << 23;
  const auto high = static_cast<uint32_t>(whole - half + 127) << 23;
  return {a.value * __builtin_bit_cast(float, low) * __builtin_bit_cast(float, high)};
}

/// a > b ? x : y, lane by lane.
inline F32 select_greater(F32 a, F32 b, F32 x, F32 y) {
  return a.value > b.value ? x : y;
}

inline float reduce_add(F32 a) {
  return a.value;
}

inline float reduce_max(F32 a) {
  return a.value;
}

/// A kLanes by kLanes block of 32-bit words, transposed: block[j] lane i is word j at row[i].
inline void load_transposed(const void* const (&row)[kLanes], F32 (&block)[kLanes]) {
  __builtin_memcpy(&block[0].value, row[0], sizeof(float));
}

/// Words that hold two neighbouring halves each: the first of them and the second, as f32.
inline void split_pairs(F32 words, const bf16*, F32& first, F32& second) {
  const auto bits = __builtin_bit_cast(uint32_t, words.value);
  first.value = __builtin_bit_cast(float, bits << 16);
  second.value = __builtin_bit_cast(float, bits & 0xffff0000U);
}

inline void split_pairs(F32 words, const f16*, F32& first, F32& second) {
  const auto bits = __builtin_bit_cast(uint32_t, words.value);
  const f16 low{static_cast<uint16_t>(bits)};
  const f16 high{static_cast<uint16_t>(bits >> 16)};
  first = widen(&low);
  second = widen(&high);
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
