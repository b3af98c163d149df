// SPDX-License-Identifier: Apache-2.0
#include "quantize/grid.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/random.h"
#include "support/expect_error.h"
#include "tensor/compare.h"

namespace vila::quantize {
namespace {

Tensor random_matrix(int64_t out, int64_t in, uint64_t seed) {
  Random random(seed);
  Tensor weight = Tensor::empty(DType::f32, {out, in});
  for (float& w : weight.values<float>())
    w = static_cast<float>(random.normal());
  return weight;
}

/// Bits and group of a case.
struct GridCase {
  int bits;
  int64_t group;
};

class GridSizes : public testing::TestWithParam<GridCase> {
 protected:
  GridOptions options() const { return {.bits = GetParam().bits, .group = GetParam().group}; }

  ThreadPool pool_{2};
};

TEST_P(GridSizes, NoWeightMovesByMoreThanHalfAStep) {
  const Tensor weight = random_matrix(7, 128, 1);
  const QuantisedMatrix matrix = quantise(weight, options(), pool_);
  const Tensor values = dequantise(matrix);
  for (int64_t n = 0; n < matrix.out; ++n) {
    for (int64_t k = 0; k < matrix.in; ++k) {
      const double step = double{matrix.grid(n, k / matrix.options.group).scale};
      const int64_t at = n * matrix.in + k;
      // The zero point is rounded too, which can push an end of the range off the grid by as much.
      const int code = matrix.codes.data<uint8_t>()[at];
      const bool is_end = code == 0 || code == matrix.options.levels();
      EXPECT_LE(std::abs(double{values.data<float>()[at]} - double{weight.data<float>()[at]}),
                step * (is_end ? 1.0001 : 0.5001))
          << n << ", " << k;
    }
  }
}

TEST_P(GridSizes, ValuesOfAGridComeBackExactly) {
  const QuantisedMatrix first = quantise(random_matrix(5, 128, 2), options(), pool_);
  const Tensor values = dequantise(first);
  for (int64_t i = 0; i < values.numel(); ++i) {
    const int64_t n = i / first.in;
    const Grid grid = first.grid(n, i % first.in / first.options.group);
    EXPECT_EQ(grid.code(values.data<float>()[i]),
              static_cast<float>(first.codes.data<uint8_t>()[i]));
  }
}

TEST_P(GridSizes, RoundingARowEqualsItsCodes) {
  const Tensor weight = random_matrix(3, 100, 3);  // the last group is short
  const Tensor values = dequantise(quantise(weight, options(), pool_));
  Tensor rounded = weight.to(DType::f32);
  for (int64_t n = 0; n < 3; ++n)
    round_row(rounded.rows(n, n + 1).values<float>(), options());
  EXPECT_EQ(compare(rounded, values).max_abs, 0);
}

INSTANTIATE_TEST_SUITE_P(All, GridSizes,
                         testing::Values(GridCase{4, 32}, GridCase{4, 64}, GridCase{4, 128},
                                         GridCase{3, 64}, GridCase{8, 32}),
                         [](const auto& row) {
                           return "b" + std::to_string(row.param.bits) + "g" +
                                  std::to_string(row.param.group);
                         });

TEST(Grid, AShortGroupIsOneThatIsPaddedWithZeros) {
  ThreadPool pool(1);
  const Tensor weight = random_matrix(4, 80, 4);
  for (float& w : weight.values<float>())
    w = std::abs(w) + 1;  // without the zeros the range would not reach 0
  Tensor padded = Tensor::zeros(DType::f32, {4, 128});
  for (int64_t i = 0; i < weight.numel(); ++i)
    padded.data<float>()[i / 80 * 128 + i % 80] = weight.data<float>()[i];
  const QuantisedMatrix a = quantise(weight, {.group = 64}, pool);
  const QuantisedMatrix b = quantise(padded, {.group = 64}, pool);
  EXPECT_EQ(compare(a.scales, b.scales).max_abs, 0);
  EXPECT_EQ(compare(a.zeros, b.zeros).max_abs, 0);
  for (int64_t i = 0; i < weight.numel(); ++i)
    EXPECT_EQ(a.codes.data<uint8_t>()[i], b.codes.data<uint8_t>()[i / 80 * 128 + i % 80]);
}

TEST(Grid, AGroupOfOneSignSaturatesAsInTheReference) {
  const float positive[] = {2, 3, 4, 17};
  const Grid grid = grid_of(positive, {.group = 4});
  EXPECT_EQ(grid.scale, 1.0F);
  EXPECT_EQ(grid.zero, 0.0F);
  EXPECT_EQ(grid.code(17), 15.0F);
}

TEST(Grid, ConstantAndHugeGroupsGiveFiniteValues) {
  for (const float w : {0.0F, 1e-30F, -3.0F, 1e30F}) {
    const std::vector<float> weights(32, w);
    const Grid grid = grid_of(weights, {.group = 32});
    EXPECT_TRUE(std::isfinite(grid.value(w))) << w;
    EXPECT_GE(grid.code(w), 0.0F);
    EXPECT_LE(grid.code(w), 15.0F);
  }
}

TEST(Grid, NamesTheFirstWeightThatIsNoNumber) {
  ThreadPool pool(1);
  Tensor weight = random_matrix(3, 32, 5);
  weight.data<float>()[2 * 32 + 7] = NAN;
  test::expect_error(ErrorCode::invalid_model, "\"w\": expected finite weights",
                     [&] { quantise(weight, {.group = 32}, pool, "w"); });
  weight.data<float>()[32 + 5] = INFINITY;
  test::expect_error(ErrorCode::invalid_model, "row 1, column 5",
                     [&] { quantise(weight, {.group = 32}, pool, "w"); });
}

TEST(Grid, TheSharedLayoutHasTheSameValues) {
  ThreadPool pool(1);
  const QuantisedMatrix matrix = quantise(random_matrix(6, 64, 6), {.group = 32}, pool);
  // (code - zero) * scale against code * scale + offset: two roundings apart.
  EXPECT_LE(compare(vila::dequantise(to_q4(matrix)), dequantise(matrix)).max_abs, 1e-6);
}

TEST(Grid, RowsOf8BitsAreOffByHalfAStepAtMost) {
  const Tensor weight = random_matrix(9, 50, 7);
  for (float& w : weight.rows(4, 5).values<float>())
    w = 0;
  const Tensor rounded = round_rows_8bit(weight);
  for (int64_t n = 0; n < 9; ++n) {
    float largest = 0;
    for (const float w : weight.rows(n, n + 1).values<float>())
      largest = std::max(largest, std::abs(w));
    EXPECT_LE(compare(rounded.rows(n, n + 1), weight.rows(n, n + 1)).max_abs,
              double{largest} / 127 * 0.5001);
  }
}

}  // namespace
}  // namespace vila::quantize
