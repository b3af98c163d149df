// SPDX-License-Identifier: Apache-2.0
#include "engine/row_history.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila::engine {
namespace {

Tensor picture(float value, int64_t rows = 3) {
  const Tensor tensor = Tensor::zeros(DType::f32, {rows, 4});
  tensor.data<float>()[4] = value;
  return tensor;
}

RowHistory history(const std::vector<text::TokenId>& ids, const std::vector<Tensor>& media) {
  std::vector<int64_t> rows;
  for (const Tensor& tensor : media)
    rows.push_back(tensor.dim(0));
  return RowHistory(ids, spec::splice(ids, rows, 0), media);
}

constexpr text::TokenId kImage = spec::kImageToken;

TEST(RowHistory, CountsRowsOfTokensAndPictures) {
  EXPECT_EQ(history({1, kImage, 7, 8}, {picture(1)}).size(), 6);
  EXPECT_EQ(RowHistory().size(), 0);
}

TEST(RowHistory, FindsWhereTokensDiffer) {
  const RowHistory a = history({1, 5, 6, 7}, {});
  EXPECT_EQ(a.common_prefix(history({1, 5, 9, 7}, {})), 2);
  EXPECT_EQ(a.common_prefix(history({1, 5}, {})), 2);
  EXPECT_EQ(a.common_prefix(history({1, 5, 6, 7, 8}, {})), 4);
  EXPECT_EQ(a.common_prefix(history({2, 5, 6, 7}, {})), 0);
  EXPECT_EQ(a.common_prefix(RowHistory()), 0);
}

TEST(RowHistory, TakesPicturesOfTheSameBitsForTheSame) {
  const Tensor shared = picture(1);
  const RowHistory a = history({1, kImage, 7}, {shared});
  EXPECT_EQ(a.common_prefix(history({1, kImage, 7}, {shared})), 5);
  EXPECT_EQ(a.common_prefix(history({1, kImage, 7}, {picture(1)})), 5);
  EXPECT_EQ(a.common_prefix(history({1, kImage, 7}, {picture(2)})), 1);
  EXPECT_EQ(a.common_prefix(history({1, kImage, 7}, {picture(1, 2)})), 1);
}

TEST(RowHistory, TellsAPictureFromATokenOfTheSameNumber) {
  const RowHistory a = history({1, kImage}, {picture(1)});
  EXPECT_EQ(a.common_prefix(history({1, 0, 1, 2}, {})), 1);
}

TEST(RowHistory, ComparesEachPictureOfSeveral) {
  const RowHistory a = history({kImage, 3, kImage}, {picture(1), picture(2)});
  EXPECT_EQ(a.common_prefix(history({kImage, 3, kImage}, {picture(1), picture(3)})), 4);
}

TEST(RowHistory, GrowsAndForgets) {
  RowHistory a = history({1, kImage}, {picture(1)});
  a.add(9);
  EXPECT_EQ(a.common_prefix(history({1, kImage, 9, 9}, {picture(1)})), 5);
  a.truncate(2);
  EXPECT_EQ(a.common_prefix(history({1, kImage, 9}, {picture(1)})), 2);
  EXPECT_THROW(a.truncate(3), Bug);
}

}  // namespace
}  // namespace vila::engine
