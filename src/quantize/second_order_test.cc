// SPDX-License-Identifier: Apache-2.0
#include "quantize/second_order.h"

#include <cmath>

#include <gtest/gtest.h>

#include "quantize/testing.h"
#include "support/machine.h"
#include "tensor/compare.h"

namespace vila::quantize {
namespace {

constexpr int64_t kIn = 96;

class SecondOrder : public testing::Test {
 protected:
  /// Rows whose columns depend on one another: what compensation lives on.
  static Tensor correlated_rows(int64_t rows) {
    Tensor x = random_rows(rows, kIn, 4);
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t k = 1; k < kIn; ++k)
        x.data<float>()[t * kIn + k] += 0.8F * x.data<float>()[t * kIn + k - 1];
    }
    return x;
  }

  /// |X (W - Q)^T|^2 / T, in double.
  static double loss(const Tensor& x, const Tensor& weight, const Tensor& rounded) {
    double sum = 0;
    for (int64_t t = 0; t < x.dim(0); ++t) {
      for (int64_t n = 0; n < weight.dim(0); ++n) {
        double change = 0;
        for (int64_t k = 0; k < kIn; ++k) {
          const int64_t at = n * kIn + k;
          change += double{x.data<float>()[t * kIn + k]} *
                    (double{weight.data<float>()[at]} - double{rounded.data<float>()[at]});
        }
        sum += change * change;
      }
    }
    return sum / static_cast<double>(x.dim(0));
  }

  test::Machine machine_;
  ops::Context& ctx_ = machine_.ctx;
  Tensor weight_ = random_rows(10, kIn, 5);
};

TEST_F(SecondOrder, MomentsAreThoseOfAPlainLoop) {
  const Tensor x = random_rows(1500, 20, 1);
  const Tensor moments = gram(ctx_, x);
  for (int64_t i = 0; i < 20; ++i) {
    for (int64_t j = 0; j < 20; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < 1500; ++t)
        sum += double{x.data<float>()[t * 20 + i]} * double{x.data<float>()[t * 20 + j]};
      EXPECT_NEAR(double{moments.data<float>()[i * 20 + j]}, sum / 1500, 1e-5);
    }
  }
}

TEST_F(SecondOrder, TheFactorMultipliesBackToTheMoments) {
  const Tensor x = correlated_rows(300);
  const Tensor moments = gram(ctx_, x);
  const ErrorModel model(ctx_, moments, 0.01);
  double mean = 0;
  for (int64_t k = 0; k < kIn; ++k)
    mean += double{moments.data<float>()[k * kIn + k]} / kIn;
  const double* lower = model.factor().data<double>();
  for (int64_t i = 0; i < kIn; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double product = 0;  // (R R^T)_ij = sum over k of R_ik R_jk
      for (int64_t k = 0; k < kIn; ++k)
        product += lower[k * kIn + i] * lower[k * kIn + j];
      const int64_t row = model.order()[static_cast<size_t>(i)];
      const int64_t column = model.order()[static_cast<size_t>(j)];
      const double expected =
          double{moments.data<float>()[row * kIn + column]} + (i == j ? 0.01 * mean : 0);
      EXPECT_NEAR(product, expected, 1e-9 * (1 + std::abs(expected)));
    }
  }
}

TEST_F(SecondOrder, MakesUpForErrorsOfInputsThatGoTogether) {
  const Tensor x = correlated_rows(400);
  const ErrorModel model(ctx_, gram(ctx_, x), 0.01);
  const GridOptions options{.group = 32};
  const QuantisedMatrix nearest = quantise(weight_, options, machine_.pool);
  const QuantisedMatrix compensated = compensate(ctx_, weight_, model, nearest);
  EXPECT_LT(loss(x, weight_, dequantise(compensated)), 0.7 * loss(x, weight_, dequantise(nearest)));
}

TEST_F(SecondOrder, RoundsToNearestWhereInputsAreIndependent) {
  Tensor moments = Tensor::zeros(DType::f32, {kIn, kIn});
  for (int64_t k = 0; k < kIn; ++k)
    moments.data<float>()[k * kIn + k] = 1;
  const ErrorModel model(ctx_, moments, 0.01);
  const QuantisedMatrix matrix =
      compensate(ctx_, weight_, model, quantise(weight_, {.group = 32}, machine_.pool));
  for (int64_t i = 0; i < weight_.numel(); ++i) {
    const Grid grid = matrix.grid(i / kIn, i % kIn / 32);
    EXPECT_EQ(static_cast<float>(matrix.codes.data<uint8_t>()[i]),
              grid.code(weight_.data<float>()[i]));
  }
}

TEST_F(SecondOrder, AnInputThatIsAlwaysZeroIsNoTrouble) {
  Tensor x = correlated_rows(200);
  for (int64_t t = 0; t < x.dim(0); ++t)
    x.data<float>()[t * kIn + 3] = 0;
  const ErrorModel model(ctx_, gram(ctx_, x), 0.01);
  const Tensor values =
      dequantise(compensate(ctx_, weight_, model, quantise(weight_, {.group = 32}, machine_.pool)));
  for (const float w : values.values<float>())
    EXPECT_TRUE(std::isfinite(w));
}

}  // namespace
}  // namespace vila::quantize
