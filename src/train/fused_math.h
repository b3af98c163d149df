// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "base/numeric.h"

// One body, compiled for several instruction sets and chosen when the program is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
#define VILA_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VILA_CLONES
#endif
#define VILA_INLINE inline __attribute__((always_inline))

/// What the bodies of fused*.cc share: rows as f32, whatever they are stored as, and e^x.
namespace vila::train::fused {
VILA_INLINE float load(float value) {
  return value;
}

VILA_INLINE float load(bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

VILA_INLINE void store(float value, float& target) {
  target = value;
}

/// Round to nearest even. A NaN may become an infinity, which the trainer stops at all the same.
VILA_INLINE void store(float value, bf16& target) {
  const auto bits = std::bit_cast<uint32_t>(value);
  target.bits = static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// e^x within 2 units in the last place, in a form that compilers vectorise: 2^n by the exponent
/// bits, the rest (|r| <= ln 2 / 2) by a polynomial of degree 6.
VILA_INLINE float exp_f32(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
  const float n = (x * 1.44269504F + kRound) - kRound;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const auto power = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(power);
}

VILA_INLINE float sigmoid(float x) {
  return 1.0F / (1.0F + exp_f32(-x));
}

}  // namespace vila::train::fused
