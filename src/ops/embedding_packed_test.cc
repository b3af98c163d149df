// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "kernels/select.h"
#include "ops/ops.h"
#include "tensor/compare.h"
#include "vila/error.h"

namespace vila::ops {
namespace {

Q4Matrix random_codes(int64_t out, int64_t in, int64_t group) {
  Q4Matrix matrix = Q4Matrix::zeros(out, in, group);
  Random random(1);
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t k = 0; k < in; ++k)
      matrix.set_code(n, k, static_cast<unsigned>(random.below(16)));
  }
  for (float& scale : matrix.scales.values<float>())
    scale = to_f32(to_f16(static_cast<float>(random.uniform())));
  for (float& offset : matrix.offsets.values<float>())
    offset = to_f32(to_f16(static_cast<float>(random.uniform())));
  return matrix;
}

class PackedEmbedding : public testing::Test {
 protected:
  void expect_rows(const PackedMatrix& table, const std::vector<int32_t>& ids) {
    const Tensor rows = embedding(ctx_, table, ids);
    const Tensor all = dequantise(table);
    ASSERT_EQ(rows.shape(), Shape({static_cast<int64_t>(ids.size()), table.in}));
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      EXPECT_EQ(compare(rows.rows(row, row + 1), all.rows(ids[i], ids[i] + 1)).max_abs, 0)
          << ids[i];
    }
  }

  Arena arena_;
  ThreadPool pool_{2};
  Context ctx_{arena_, pool_, kernels::best_kernels(), {}};
};

TEST_F(PackedEmbedding, GathersRowsOfFourBits) {
  expect_rows(pack(random_codes(37, 96, 32)), {0, 36, 15, 16, 16});
}

TEST_F(PackedEmbedding, GathersRowsOfEightBitsAndOneScaleARow) {
  const Tensor weight = dequantise(random_codes(37, 96, 32));
  expect_rows(quantise_rows_8bit(weight, 96), {36, 1, 31, 32});
  expect_rows(quantise_rows_8bit(weight, 4), {17});
}

TEST_F(PackedEmbedding, RefusesIdsBeyondTheTableAndTakesNone) {
  const PackedMatrix table = pack(random_codes(17, 32, 32));
  expect_rows(table, {});
  const std::vector<int32_t> beyond = {17};
  EXPECT_THROW(embedding(ctx_, table, beyond), Bug);
  const std::vector<int32_t> negative = {-1};
  EXPECT_THROW(embedding(ctx_, table, negative), Bug);
}

}  // namespace
}  // namespace vila::ops
