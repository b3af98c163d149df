// SPDX-License-Identifier: Apache-2.0
#include "tensor/q4_layout.h"

#include <gtest/gtest.h>

#include "vila/error.h"

namespace vila {
namespace {

/// Row n has the codes n, n + 1, … (mod 16), scale 0.5 and offset -1 in the first group, 2 and 3 in
/// the second.
Q4Matrix ramp() {
  Q4Matrix matrix = Q4Matrix::zeros(3, 8, 4);
  for (int64_t n = 0; n < 3; ++n) {
    for (int64_t k = 0; k < 8; ++k)
      matrix.set_code(n, k, static_cast<unsigned>(n + k) % 16);
    matrix.scales.data<float>()[2 * n] = 0.5F;
    matrix.offsets.data<float>()[2 * n] = -1;
    matrix.scales.data<float>()[2 * n + 1] = 2;
    matrix.offsets.data<float>()[2 * n + 1] = 3;
  }
  return matrix;
}

TEST(Q4Layout, KeepsEvenColumnsInTheLowNibble) {
  const Q4Matrix matrix = ramp();
  EXPECT_EQ(matrix.codes.values<uint8_t>()[0], 0x10);
  EXPECT_EQ(matrix.codes.values<uint8_t>()[4], 0x21);
  EXPECT_EQ(matrix.code(2, 7), 9);
  EXPECT_EQ(matrix.nbytes(), 12U + 24U + 24U);
}

TEST(Q4Layout, DequantisesByGroup) {
  const Tensor weight = dequantise(ramp());
  EXPECT_EQ(weight.shape(), Shape({3, 8}));
  const float* row = weight.data<float>() + 8;
  EXPECT_EQ(row[0], 1 * 0.5F - 1);
  EXPECT_EQ(row[3], 4 * 0.5F - 1);
  EXPECT_EQ(row[4], 5 * 2 + 3);
  EXPECT_EQ(row[7], 8 * 2 + 3);
}

TEST(Q4Layout, MultipliesByTheDequantisedWeights) {
  const Q4Matrix matrix = ramp();
  const Tensor weight = dequantise(matrix);
  Tensor x = Tensor::zeros(DType::f32, {2, 8});
  for (int64_t i = 0; i < 16; ++i)
    x.data<float>()[i] = static_cast<float>(i - 5);
  const Tensor y = q4_matmul_reference(x, matrix);
  for (int64_t m = 0; m < 2; ++m) {
    for (int64_t n = 0; n < 3; ++n) {
      float expected = 0;  // small integers and halves: exact in any order
      for (int64_t k = 0; k < 8; ++k)
        expected += x.data<float>()[m * 8 + k] * weight.data<float>()[n * 8 + k];
      EXPECT_EQ(y.data<float>()[m * 3 + n], expected);
    }
  }
}

TEST(Q4Layout, RefusesGroupsThatDoNotDivideTheRow) {
  EXPECT_THROW(Q4Matrix::zeros(1, 8, 3), Bug);
  EXPECT_THROW(Q4Matrix::zeros(1, 7, 7), Bug);
}

}  // namespace
}  // namespace vila
