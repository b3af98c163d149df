// SPDX-License-Identifier: Apache-2.0
#include "base/numeric.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace vila {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The value of a half from its definition (IEEE 754-2008, binary16).
double half_by_definition(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return fraction != 0 ? std::nan("") : sign * kInfinity;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Numeric, EveryHalfHasItsValueAndComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const f16 half{static_cast<uint16_t>(bits)};
    const float value = to_f32(half);
    const double expected = half_by_definition(half.bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value));
      ASSERT_TRUE(std::isnan(to_f32(to_f16(value))));
    } else {
      ASSERT_EQ(static_cast<double>(value), expected) << bits;
      ASSERT_EQ(to_f16(value).bits, half.bits);
    }
  }
}

TEST(Numeric, EveryBfloatComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const bf16 brain{static_cast<uint16_t>(bits)};
    const float value = to_f32(brain);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(to_f32(to_bf16(value))));
    } else {
      ASSERT_EQ(to_bf16(value).bits, brain.bits);
    }
  }
}

/// Between each two neighbours a < b: the middle goes to the even one, what is nearer to b to b.
template <typename Half, typename Convert>
void expect_nearest_even(uint16_t last, Convert convert) {
  for (uint16_t bits = 0; bits < last; ++bits) {
    const float a = to_f32(Half{bits});
    const float b = to_f32(Half{static_cast<uint16_t>(bits + 1)});
    const float middle = a + (b - a) / 2;
    const auto even = static_cast<uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(convert(middle).bits, even) << bits;
    ASSERT_EQ(convert(std::nextafter(middle, b)).bits, bits + 1) << bits;
    ASSERT_EQ(convert(std::nextafter(middle, a)).bits, bits) << bits;
    ASSERT_EQ(convert(-middle).bits, even | 0x8000) << bits;
  }
}

TEST(Numeric, HalvesRoundToNearestEven) {
  expect_nearest_even<f16>(0x7bff, [](float value) { return to_f16(value); });
}

TEST(Numeric, BfloatsRoundToNearestEven) {
  expect_nearest_even<bf16>(0x7f7f, [](float value) { return to_bf16(value); });
}

TEST(Numeric, HalvesOverflowToInfinity) {
  EXPECT_EQ(to_f32(to_f16(65504.0F)), 65504.0F);
  EXPECT_EQ(to_f32(to_f16(65519.996F)), 65504.0F);
  EXPECT_EQ(to_f32(to_f16(65520.0F)), kInfinity);
  EXPECT_EQ(to_f32(to_f16(-1e30F)), -kInfinity);
  EXPECT_EQ(to_f32(to_f16(kInfinity)), kInfinity);
  EXPECT_TRUE(std::isnan(to_f32(to_f16(kNan))));
  EXPECT_TRUE(std::isnan(to_f32(to_bf16(kNan))));
  EXPECT_EQ(to_f32(to_bf16(std::numeric_limits<float>::max())), kInfinity);
}

TEST(Numeric, RoundsUpToMultiples) {
  EXPECT_EQ(round_up(0, 8), 0);
  EXPECT_EQ(round_up(1, 8), 8);
  EXPECT_EQ(round_up(8, 8), 8);
  EXPECT_EQ(round_up(17, 5), 20);
}

TEST(Numeric, CheckedProductSeesOverflow) {
  EXPECT_EQ(checked_product(3, 4), 12);
  EXPECT_EQ(checked_product(0, INT64_MAX), 0);
  EXPECT_EQ(checked_product(int64_t{1} << 32, int64_t{1} << 31), std::nullopt);
  EXPECT_EQ(checked_product(-1, 4), std::nullopt);
  EXPECT_EQ(checked_product(4, -1), std::nullopt);
}

}  // namespace
}  // namespace vila
