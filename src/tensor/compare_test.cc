// SPDX-License-Identifier: Apache-2.0
#include "tensor/compare.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor floats(std::vector<float> values) {
  Tensor tensor = Tensor::empty(DType::f32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.data<float>());
  return tensor;
}

TEST(Compare, EqualTensorsDifferNowhere) {
  const Difference difference = compare(floats({1, -2, kNan}), floats({1, -2, kNan}));
  EXPECT_EQ(difference.max_abs, 0);
  EXPECT_EQ(difference.worst, -1);
  EXPECT_EQ(difference.relative(), 0);
}

TEST(Compare, FindsTheWorstElement) {
  const Difference difference = compare(floats({1, 2, 3, 4}), floats({1, 2.5, 3, -6}));
  EXPECT_EQ(difference.max_abs, 10);
  EXPECT_EQ(difference.worst, 3);
  EXPECT_EQ(difference.max_expected, 6);
  EXPECT_DOUBLE_EQ(difference.relative(), 10.0 / 6);
}

TEST(Compare, ANanOnOneSideIsAnInfiniteDifference) {
  EXPECT_EQ(compare(floats({1, kNan}), floats({1, 2})).max_abs, kInfinity);
  EXPECT_EQ(compare(floats({1, 2}), floats({1, kNan})).worst, 1);
  EXPECT_EQ(compare(floats({kInfinity}), floats({kInfinity})).max_abs, 0);
  EXPECT_EQ(compare(floats({kInfinity}), floats({-kInfinity})).max_abs, kInfinity);
}

TEST(Compare, TakesTheCosineOfTheWhole) {
  EXPECT_NEAR(compare(floats({1, 0}), floats({0, 1})).cosine, 0, 1e-15);
  EXPECT_NEAR(compare(floats({1, 1}), floats({-2, -2})).cosine, -1, 1e-15);
  EXPECT_NEAR(compare(floats({3, 4}), floats({4, 3})).cosine, 24.0 / 25, 1e-15);
  EXPECT_EQ(compare(floats({0, 0}), floats({0, 0})).cosine, 1);
}

TEST(Compare, RelativeToZerosIsAbsolute) {
  EXPECT_EQ(compare(floats({0.5, 0}), floats({0, 0})).relative(), 0.5);
}

TEST(Compare, MixesTypesButNotShapes) {
  Tensor integers = Tensor::zeros(DType::i32, {2});
  integers.data<int32_t>()[1] = 5;
  EXPECT_EQ(compare(floats({0, 5.25}).to(DType::bf16), integers).max_abs, 0.25);
  EXPECT_THROW(compare(floats({1}), floats({1, 2})), Bug);
}

}  // namespace
}  // namespace vila
