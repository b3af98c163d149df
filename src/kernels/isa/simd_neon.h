// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <arm_neon.h>

#include "base/numeric.h"

/// Four lanes: NEON as every 64-bit ARM CPU has it (Armv8.0-A). simd_scalar.h says what each
/// operation means.
namespace vila::kernels {
namespace {
namespace isa {

struct F32 {
  float32x4_t value;
};

inline constexpr int64_t kLanes = 4;
// 20 of the 32 registers accumulate; 4 hold weights, 5 broadcasts of x. GCC 12 spills with 6 rows.
inline constexpr int kTileRows = 5;
inline constexpr int kTileVectors = 4;

inline F32 zero() {
  return {vdupq_n_f32(0.0F)};
}

inline F32 set(float value) {
  return {vdupq_n_f32(value)};
}

inline F32 load(const float* x) {
  return {vld1q_f32(x)};
}

inline void store(float* y, F32 a) {
  vst1q_f32(y, a.value);
}

// NEON has no masked loads: the lanes that are there go through an array of four.
inline F32 load_partial(const float* x, int64_t count) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < count; ++i)
    lanes[i] = x[i];
  return load(lanes);
}

inline void store_partial(float* y, int64_t count, F32 a) {
  float lanes[kLanes];
  store(lanes, a);
  for (int64_t i = 0; i < count; ++i)
    y[i] = lanes[i];
}

inline F32 from_bits(uint32x4_t bits) {
  return {vreinterpretq_f32_u32(bits)};
}

inline F32 from_halves(uint16x4_t bits) {
  return {vcvt_f32_f16(vreinterpret_f16_u16(bits))};
}

inline F32 widen(const float* x) {
  return load(x);
}

inline F32 widen(const bf16* x) {
  return from_bits(vshll_n_u16(vld1_u16(&x->bits), 16));
}

inline F32 widen(const f16* x) {
  return from_halves(vld1_u16(&x->bits));
}

inline F32 widen(const int8_t* x) {
  uint32_t word;
  __builtin_memcpy(&word, x, sizeof(word));
  const int16x8_t halves = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(word)));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(halves)))};
}

inline void narrow(f16* y, F32 a) {
  vst1_u16(&y->bits, vreinterpret_u16_f16(vcvt_f16_f32(a.value)));
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
  return vgetq_lane_f32(from_halves(vdup_n_u16(x->bits)).value, 0);
}

inline F32 add(F32 a, F32 b) {
  return {vaddq_f32(a.value, b.value)};
}

inline F32 sub(F32 a, F32 b) {
  return {vsubq_f32(a.value, b.value)};
}

inline F32 mul(F32 a, F32 b) {
  return {vmulq_f32(a.value, b.value)};
}

inline F32 div(F32 a, F32 b) {
  return {vdivq_f32(a.value, b.value)};
}

inline F32 fma(F32 a, F32 b, F32 c) {
  return {vfmaq_f32(c.value, a.value, b.value)};
}

inline F32 fnma(F32 a, F32 b, F32 c) {
  return {vfmsq_f32(c.value, a.value, b.value)};
}

// By comparison, since FMAX and FMIN give NaN for a NaN on either side.
inline F32 max(F32 a, F32 b) {
  return {vbslq_f32(vcgtq_f32(a.value, b.value), a.value, b.value)};
}

inline F32 min(F32 a, F32 b) {
  return {vbslq_f32(vcltq_f32(a.value, b.value), a.value, b.value)};
}

inline F32 abs(F32 a) {
  return {vabsq_f32(a.value)};
}

inline F32 round(F32 a) {
  return {vrndnq_f32(a.value)};
}

inline F32 scale_by_power(F32 a, F32 n) {
  const int32x4_t whole = vcvtnq_s32_f32(n.value);
  const int32x4_t half = vshrq_n_s32(whole, 1);
  const int32x4_t bias = vdupq_n_s32(127);
  const int32x4_t low = vshlq_n_s32(vaddq_s32(half, bias), 23);
  const int32x4_t high = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
  const float32x4_t scaled = vmulq_f32(a.value, vreinterpretq_f32_s32(low));
  return {vmulq_f32(scaled, vreinterpretq_f32_s32(high))};
}

inline F32 select_greater(F32 a, F32 b, F32 x, F32 y) {
  return {vbslq_f32(vcgtq_f32(a.value, b.value), x.value, y.value)};
}

inline float reduce_add(F32 a) {
  return vaddvq_f32(a.value);
}

inline float reduce_max(F32 a) {
  return vmaxvq_f32(a.value);
}

/// Lanes 0 and 1 of a before those of b, and likewise lanes 2 and 3.
inline F32 join_first(float32x4_t a, float32x4_t b) {
  return {vreinterpretq_f32_f64(vtrn1q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)))};
}

inline F32 join_last(float32x4_t a, float32x4_t b) {
  return {vreinterpretq_f32_f64(vtrn2q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)))};
}

inline void load_transposed(const void* const (&row)[kLanes], F32 (&block)[kLanes]) {
  const auto words = [&row](int i) { return vld1q_f32(static_cast<const float*>(row[i])); };
  const float32x4_t even_01 = vtrn1q_f32(words(0), words(1));
  const float32x4_t odd_01 = vtrn2q_f32(words(0), words(1));
  const float32x4_t even_23 = vtrn1q_f32(words(2), words(3));
  const float32x4_t odd_23 = vtrn2q_f32(words(2), words(3));
  block[0] = join_first(even_01, even_23);
  block[1] = join_first(odd_01, odd_23);
  block[2] = join_last(even_01, even_23);
  block[3] = join_last(odd_01, odd_23);
}

inline void split_pairs(F32 words, const bf16*, F32& first, F32& second) {
  const uint32x4_t bits = vreinterpretq_u32_f32(words.value);
  first = from_bits(vshlq_n_u32(bits, 16));
  second = from_bits(vandq_u32(bits, vdupq_n_u32(0xffff0000U)));
}

inline void split_pairs(F32 words, const f16*, F32& first, F32& second) {
  const uint32x4_t bits = vreinterpretq_u32_f32(words.value);
  first = from_halves(vmovn_u32(bits));
  second = from_halves(vshrn_n_u32(bits, 16));
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
