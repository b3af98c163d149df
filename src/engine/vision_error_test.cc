// SPDX-License-Identifier: Apache-2.0
#include "engine/vision_error.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila::engine {
namespace {

Tensor matrix(const std::vector<std::vector<float>>& rows) {
  const Tensor tensor = Tensor::empty(
      DType::f32, {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())});
  float* value = tensor.data<float>();
  for (const std::vector<float>& row : rows)
    value = std::copy(row.begin(), row.end(), value);
  return tensor;
}

TEST(DistanceOfRows, IsTheCosineOfEachPair) {
  const RowDistance distance =
      distance_of_rows(matrix({{1, 0}, {1, 1}, {2, 0}}), matrix({{5, 0}, {1, 0}, {0, 3}}));
  EXPECT_NEAR(distance.mean_cosine, (1 + std::sqrt(0.5) + 0) / 3, 1e-12);
  EXPECT_NEAR(distance.least_cosine, 0, 1e-12);
}

TEST(DistanceOfRows, KnowsRowsOfZeros) {
  EXPECT_EQ(distance_of_rows(matrix({{0, 0}}), matrix({{0, 0}})).least_cosine, 1);
  EXPECT_EQ(distance_of_rows(matrix({{0, 0}}), matrix({{1, 0}})).least_cosine, 0);
}

TEST(DistanceOfRows, CallsDifferentShapesABug) {
  EXPECT_THROW(distance_of_rows(matrix({{1, 0}}), matrix({{1}})), Bug);
}

}  // namespace
}  // namespace vila::engine
