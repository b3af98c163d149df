// SPDX-License-Identifier: Apache-2.0
#include "model/multi_scale.h"

#include <cmath>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "support/machine.h"
#include "tensor/compare.h"

namespace vila::model {
namespace {

using test::Machine;

template <typename Function>
Tensor filled(const Shape& shape, const Function& value) {
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = value(static_cast<float>(i));
  return tensor;
}

double sum(const Tensor& tensor) {
  const std::span<const float> values = tensor.values<float>();
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Expected: torch 2.5 of interpolate(x, size=(s, s), mode="bicubic") with x = sin(0.7 i).
TEST(MultiScale, ResizesAsTorchDoes) {
  Machine machine;
  const Tensor x = filled({2, 3, 5, 5}, [](float i) { return std::sin(0.7F * i); });
  const Tensor large = resize_bicubic(machine.ctx, x, 8);
  const std::map<int64_t, float> expected_large = {
      {0, -0.03728117F}, {1, 0.3249975F}, {63, -1.088887F}, {71, 1.207338F}, {383, -0.7390542F}};
  for (const auto& [at, value] : expected_large)
    EXPECT_NEAR(large.data<float>()[at], value, 1e-5) << at;
  EXPECT_NEAR(sum(large), 4.88254167, 1e-3);

  const Tensor small = resize_bicubic(machine.ctx, x, 3);
  const std::map<int64_t, float> expected_small = {
      {0, -0.1050926F}, {1, 0.2638667F}, {8, -0.3279195F}, {16, 0.3097654F}, {53, -0.2699529F}};
  for (const auto& [at, value] : expected_small)
    EXPECT_NEAR(small.data<float>()[at], value, 1e-5) << at;
}

TEST(MultiScale, LeavesPixelsOfTheSameSizeAsTheyAre) {
  Machine machine;
  const Tensor x = filled({1, 3, 4, 4}, [](float i) { return i; });
  EXPECT_EQ(resize_bicubic(machine.ctx, x, 4).raw(), x.raw());
}

// Expected: torch's interpolate(x, size=(4, 4), mode="area") with x = cos(0.3 i), 6 x 9 x 4.
TEST(MultiScale, PoolsAreasAsTorchDoes) {
  Machine machine;
  const Tensor x = filled({6, 9, 4}, [](float i) { return std::cos(0.3F * i); });
  const Tensor pooled = pool_area(machine.ctx, x, 4, 4);
  const std::map<int64_t, float> expected = {
      {0, 0.3467287F}, {5, -0.3620515F}, {18, 0.2409422F}, {63, 0.0794377F}};
  for (const auto& [at, value] : expected)
    EXPECT_NEAR(pooled.data<float>()[at], value, 1e-5) << at;
  EXPECT_NEAR(sum(pooled), 2.21530048, 1e-4);
}

TEST(MultiScale, SplitsPicturesTileByTile) {
  Machine machine;
  const Tensor x = filled({2, 1, 4, 4}, [](float i) { return i; });
  const Tensor tiles = split_tiles(machine.ctx, x, 2);
  ASSERT_EQ(tiles.shape(), (Shape{8, 1, 2, 2}));
  const std::vector<float> first(tiles.data<float>(), tiles.data<float>() + 12);
  EXPECT_EQ(first, (std::vector<float>{0, 1, 4, 5, 16, 17, 20, 21, 2, 3, 6, 7}));
}

TEST(MultiScale, CuttingAMapUndoesStitching) {
  Machine machine;
  const Tensor features = filled({6, 4, 3}, [](float i) { return i; });
  const TileGrid grid{.rows = 2, .columns = 3, .tiles = {0, 1, 2, 3, 4, 5}};
  const Tensor map = stitch_tiles(machine.ctx, features, grid);
  ASSERT_EQ(map.shape(), (Shape{4, 6, 3}));
  EXPECT_EQ(map.data<float>()[2 * 3], 12);  // third column: the second tile's first row
  EXPECT_EQ(compare(cut_map(machine.ctx, map, 2), features).max_abs, 0);
}

TEST(MultiScale, StacksChannelsInOrder) {
  Machine machine;
  const Tensor a = filled({1, 2, 1}, [](float i) { return i; });
  const Tensor b = filled({1, 2, 2}, [](float i) { return 10 + i; });
  const std::vector<Tensor> maps = {a, b};
  const Tensor stacked = stack_channels(machine.ctx, maps);
  const std::vector<float> values(stacked.data<float>(), stacked.data<float>() + 6);
  EXPECT_EQ(values, (std::vector<float>{0, 10, 11, 1, 12, 13}));
}

}  // namespace
}  // namespace vila::model
