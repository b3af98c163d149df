// SPDX-License-Identifier: Apache-2.0
#include "model/video.h"

#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/machine.h"

namespace vila::model {
namespace {

using test::Machine;

// Four frames of 2 x 2 rows of one number: 0, 1, 2 and so on.
Tensor counted_frames() {
  Tensor frames = Tensor::empty(DType::f32, {4, 4, 1});
  for (int64_t i = 0; i < 16; ++i)
    frames.data<float>()[i] = static_cast<float>(i);
  return frames;
}

Tensor one_row(float value) {
  Tensor row = Tensor::empty(DType::f32, {1, 1});
  row.data<float>()[0] = value;
  return row;
}

std::vector<float> pooled(const spec::VideoPools& pools, const VideoEnds& ends) {
  Machine machine;
  const Tensor rows = pool_video(machine.ctx, counted_frames(), pools, ends);
  return {rows.data<float>(), rows.data<float>() + rows.numel()};
}

TEST(Video, KeepsEveryFrameWithoutPools) {
  EXPECT_EQ(
      pooled({}, {.end = one_row(-1), .separator = {}}),
      (std::vector<float>{0, 1, 2, 3, -1, 4, 5, 6, 7, -1, 8, 9, 10, 11, -1, 12, 13, 14, 15, -1}));
}

TEST(Video, AveragesOverTime) {
  EXPECT_EQ(pooled({{4, 1, 1}}, {.end = one_row(-1), .separator = {}}),
            (std::vector<float>{6, 7, 8, 9, -1}));
}

TEST(Video, AveragesOverSpaceAndPartsSeveralPoolings) {
  EXPECT_EQ(pooled({{2, 2, 2}, {4, 1, 2}}, {.end = {}, .separator = one_row(-2)}),
            (std::vector<float>{3.5, 11.5, -2, 6.5, 8.5, -2}));
}

TEST(Video, RefusesFramesThatTheWindowDoesNotDivide) {
  EXPECT_THROW(pooled({{3, 1, 1}}, {}), Error);
  EXPECT_THROW(pooled({{1, 3, 1}}, {}), Error);
}

}  // namespace
}  // namespace vila::model
