// SPDX-License-Identifier: Apache-2.0
#include "quantize/refine.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <gtest/gtest.h>

#include "quantize/testing.h"
#include "support/machine.h"

namespace vila::quantize {
namespace {

constexpr int64_t kIn = 96;
constexpr int64_t kOut = 10;

class Refine : public testing::Test {
 protected:
  Refine() {
    Tensor x = random_rows(500, kIn, 4);
    for (int64_t t = 0; t < x.dim(0); ++t) {
      for (int64_t k = 1; k < kIn; ++k)
        x.data<float>()[t * kIn + k] += 0.8F * x.data<float>()[t * kIn + k - 1];
    }
    model_.emplace(ctx_, gram(ctx_, x), 0.01);
    start_ = compensate(ctx_, weight_, *model_,
                        quantise(weight_, {.bits = 4, .group = 32}, machine_.pool));
  }

  /// (w - q) H (w - q)^T of one row, by a plain double loop.
  double loss(const QuantisedMatrix& matrix, int64_t row) const {
    const Tensor values = dequantise(matrix);
    const auto error = [&](int64_t k) {
      return double{values.data<float>()[row * kIn + k]} -
             double{weight_.data<float>()[row * kIn + k]};
    };
    double sum = 0;
    for (int64_t i = 0; i < kIn; ++i) {
      for (int64_t j = 0; j < kIn; ++j)
        sum += error(i) * double{model_->moments().data<float>()[i * kIn + j]} * error(j);
    }
    return sum;
  }

  double loss(const QuantisedMatrix& matrix) const {
    double sum = 0;
    for (int64_t row = 0; row < kOut; ++row)
      sum += loss(matrix, row);
    return sum;
  }

  test::Machine machine_;
  ops::Context& ctx_ = machine_.ctx;
  Tensor weight_ = random_rows(kOut, kIn, 5);
  std::optional<ErrorModel> model_;
  QuantisedMatrix start_;
};

TEST_F(Refine, LowersTheLossOfEachRowAndNeverRaisesIt) {
  const QuantisedMatrix refined = refine(ctx_, weight_, *model_, start_, 3);
  for (int64_t row = 0; row < kOut; ++row)
    EXPECT_LE(loss(refined, row), loss(start_, row) * (1 + 1e-5)) << row;
  EXPECT_LT(loss(refined), 0.95 * loss(start_));
  EXPECT_LE(loss(refined), loss(refine(ctx_, weight_, *model_, start_, 1)) * (1 + 1e-5));
}

TEST_F(Refine, LeavesNoCodeThatASingleStepWouldBetter) {
  const QuantisedMatrix refined = refine(ctx_, weight_, *model_, start_, 0);
  EXPECT_EQ(loss(refined), loss(refine(ctx_, weight_, *model_, refined, 0)));
  for (int64_t row = 0; row < kOut; ++row) {
    const double reached = loss(refined, row);
    for (int64_t k = 0; k < kIn; ++k) {
      for (const int step : {-1, 1}) {
        QuantisedMatrix other = refined;
        other.codes = refined.codes.to(DType::u8);
        uint8_t& code = other.codes.data<uint8_t>()[row * kIn + k];
        if (code + step < 0 || code + step > 15) continue;
        code = static_cast<uint8_t>(code + step);
        EXPECT_GE(loss(other, row), reached * (1 - 1e-5)) << row << " " << k;
      }
    }
  }
}

TEST_F(Refine, FindsTheScalesThatAWeightWasMadeOf) {
  Tensor made = dequantise(start_);
  QuantisedMatrix wrong = start_;
  wrong.scales = start_.scales.to(DType::f32);
  for (float& scale : wrong.scales.values<float>())
    scale *= 1.01F;  // small enough that no code changes first
  const QuantisedMatrix found = refine(ctx_, made, *model_, wrong, 2);
  for (int64_t i = 0; i < start_.scales.numel(); ++i) {
    EXPECT_NEAR(found.scales.data<float>()[i], start_.scales.data<float>()[i],
                1e-4 * start_.scales.data<float>()[i]);
  }
}

TEST_F(Refine, LeavesWhatItWasGivenAlone) {
  const QuantisedMatrix before = start_;
  const Tensor codes = start_.codes.to(DType::u8);
  refine(ctx_, weight_, *model_, start_, 2);
  EXPECT_TRUE(std::ranges::equal(codes.values<uint8_t>(), before.codes.values<uint8_t>()));
}

TEST_F(Refine, AGroupOfZerosKeepsItsScale) {
  Tensor weight = weight_.to(DType::f32);
  for (int64_t k = 0; k < 32; ++k)
    weight.data<float>()[k] = 0;
  const QuantisedMatrix matrix = quantise(weight, {.bits = 4, .group = 32}, machine_.pool);
  const QuantisedMatrix refined = refine(ctx_, weight, *model_, matrix, 2);
  for (const float scale : refined.scales.values<float>())
    EXPECT_TRUE(std::isfinite(scale) && scale > 0);
}

}  // namespace
}  // namespace vila::quantize
