// SPDX-License-Identifier: Apache-2.0
#include "tensor/packed_matrix.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/thread_pool.h"
#include "vila/error.h"

namespace vila {
namespace {

enum class Form { zero_points, offsets };

/// Random codes; scales exact in f16; offsets -scale * z (Form::zero_points) or any f16.
Q4Matrix random_matrix(const Shape& shape, int64_t group, Form form) {
  Random random(7);
  Q4Matrix matrix = Q4Matrix::zeros(shape[0], shape[1], group);
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t k = 0; k < shape[1]; ++k)
      matrix.set_code(n, k, static_cast<unsigned>(random.below(16)));
  }
  for (int64_t i = 0; i < matrix.scales.numel(); ++i) {
    const float scale = to_f32(to_f16(0.001F + 0.01F * static_cast<float>(random.uniform())));
    const auto zero = static_cast<float>(random.below(16));
    matrix.scales.data<float>()[i] = scale;
    matrix.offsets.data<float>()[i] =
        form == Form::zero_points ? -zero * scale
                                  : to_f32(to_f16(0.1F * static_cast<float>(random.normal())));
  }
  return matrix;
}

void expect_same_values(const Tensor& actual, const Tensor& expected, double bound) {
  ASSERT_EQ(actual.shape(), expected.shape());
  for (int64_t i = 0; i < actual.numel(); ++i)
    ASSERT_NEAR(double{actual.data<float>()[i]}, double{expected.data<float>()[i]}, bound) << i;
}

TEST(PackedMatrix, HoldsWhatAQ4MatrixHoldsInBothForms) {
  for (const int64_t group : {8, 32, 64, 128}) {
    for (const int64_t out : {1, 15, 16, 33}) {
      for (const Form form : {Form::zero_points, Form::offsets}) {
        const Q4Matrix matrix = random_matrix({out, 256}, group, form);
        const PackedMatrix packed = pack(matrix);
        EXPECT_EQ(packed.has_offsets, form == Form::offsets);
        // scale * (code - zero) and scale * code - zero * scale differ by f32 rounding alone.
        expect_same_values(dequantise(packed), dequantise(matrix), 1e-8);
      }
    }
  }
}

TEST(PackedMatrix, LaysCodesOutAsItsCommentSays) {
  Q4Matrix matrix = Q4Matrix::zeros(18, 16, 8);
  matrix.set_code(2, 3, 5);    // tile 0, group 0: low nibble of byte 4 * 2 + 3
  matrix.set_code(2, 7, 9);    // the same byte, high
  matrix.set_code(17, 12, 6);  // tile 1, row 1, group 1, k 4: high nibble of byte 4
  matrix.scales.data<float>()[17 * 2 + 1] = 0.25F;
  matrix.offsets.data<float>()[17 * 2 + 1] = -0.75F;
  const PackedMatrix packed = pack(matrix);
  EXPECT_EQ(packed.nbytes(), 2U * 2U * 128U);
  const auto bytes = packed.data.values<uint8_t>();
  EXPECT_EQ(bytes[11], 5 | 9 << 4);
  EXPECT_EQ(bytes[256 + 128 + 4], 6 << 4);
  const auto* line = reinterpret_cast<const f16*>(&bytes[256 + 128 + 64]);
  EXPECT_EQ(to_f32(line[1]), 0.25F);
  EXPECT_EQ(to_f32(line[16 + 1]), 3.0F);
  EXPECT_EQ(to_f32(line[2]), 0.0F) << "padding has no scale";
}

TEST(PackedMatrix, RoundsScalesOfF32ToHalfPrecision) {
  Q4Matrix matrix = random_matrix({3, 32}, 32, Form::zero_points);
  for (int64_t n = 0; n < 3; ++n) {
    matrix.scales.data<float>()[n] = 0.0123456F;
    matrix.offsets.data<float>()[n] = -7 * 0.0123456F;
  }
  const PackedMatrix packed = pack(matrix);
  EXPECT_FALSE(packed.has_offsets);
  expect_same_values(dequantise(packed), dequantise(matrix), 8 * 0.0123456 * 0x1p-11);
}

TEST(PackedMatrix, RefusesWhatItCannotHold) {
  EXPECT_THROW(pack(Q4Matrix::zeros(4, 24, 12)), Error);
  Q4Matrix huge = Q4Matrix::zeros(4, 16, 8);
  huge.scales.data<float>()[3] = 1e5F;
  EXPECT_THROW(pack(huge), Error);
  huge.scales.data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(pack(huge), Error);
  EXPECT_TRUE(PackedMatrix::can_hold(0, 8, 8, 4));
  EXPECT_FALSE(PackedMatrix::can_hold(16, 12, 12, 4));
  EXPECT_FALSE(PackedMatrix::can_hold(16, 100, 8, 4));
  EXPECT_FALSE(PackedMatrix::can_hold(16, 64, 8, 3));
  EXPECT_THROW(PackedMatrix::bytes(16, 100, 8, 4), Bug);
}

TEST(PackedMatrix, IsTheSameForAnyNumberOfThreads) {
  const Q4Matrix matrix = random_matrix({201, 128}, 64, Form::offsets);
  const PackedMatrix alone = pack(matrix);
  ThreadPool pool(3);
  const PackedMatrix split = pack(matrix, &pool);
  EXPECT_EQ(std::memcmp(alone.data.raw(), split.data.raw(), alone.nbytes()), 0);
}

Tensor normal_weight(const Shape& shape, DType dtype) {
  Random random(3);
  Tensor weight = Tensor::empty(DType::f32, shape);
  for (float& value : weight.values<float>())
    value = static_cast<float>(random.normal());
  return weight.to(dtype);
}

TEST(QuantiseRows8Bit, IsWithinHalfAStepOfEachGroup) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const int64_t group : {4, 32, 96}) {
      const Tensor weight = normal_weight({19, 96}, dtype);
      const PackedMatrix packed = quantise_rows_8bit(weight, group);
      const Tensor source = weight.to(DType::f32);
      const Tensor result = dequantise(packed);
      for (int64_t row = 0; row < 19 * (96 / group); ++row) {
        const float* w = source.data<float>() + row * group;
        float most = 0;
        for (int64_t k = 0; k < group; ++k)
          most = std::max(most, std::abs(w[k]));
        for (int64_t k = 0; k < group; ++k) {
          // Half a step, and the step itself is absmax / 127 rounded up to f16.
          const float bound = most / 127.0F * (0.5F + 0.001F);
          ASSERT_NEAR(result.data<float>()[row * group + k], w[k], bound);
        }
      }
    }
  }
}

TEST(QuantiseRows8Bit, KeepsZerosAndTheExtremes) {
  Tensor weight = Tensor::zeros(DType::f32, {2, 8});
  weight.data<float>()[8] = -1e-3F;  // its scale has few bits in f16: it must not be clipped
  weight.data<float>()[9] = 1e-3F;
  const PackedMatrix packed = quantise_rows_8bit(weight, 8);
  const auto bytes = packed.data.values<uint8_t>();
  EXPECT_EQ(bytes[0], 128);
  EXPECT_GE(bytes[4], 1);
  const Tensor result = dequantise(packed);
  EXPECT_EQ(result.data<float>()[0], 0.0F);
  EXPECT_NEAR(result.data<float>()[8], -1e-3F, 5e-6F);
  EXPECT_NEAR(result.data<float>()[9], 1e-3F, 5e-6F);
}

TEST(QuantiseRows8Bit, RefusesWhatIsNotFinite) {
  for (const float fault :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e9F}) {
    Tensor weight = Tensor::zeros(DType::f32, {1, 8});
    weight.data<float>()[2] = fault;
    EXPECT_THROW(quantise_rows_8bit(weight, 8), Error) << fault;
  }
  EXPECT_THROW(quantise_rows_8bit(Tensor::zeros(DType::f32, {1, 8}), 3), Error);
}

TEST(QuantiseRowsNarrow, IsWithinHalfAStepAndWithin64OfTheZero) {
  const Tensor weight = normal_weight({19, 96}, DType::f32);
  const PackedMatrix packed = quantise_rows_narrow(weight, 32);
  EXPECT_TRUE(packed.is_narrow);
  EXPECT_FALSE(quantise_rows_8bit(weight, 32).is_narrow);
  const Tensor result = dequantise(packed);
  bool has_extreme = false;
  for (int64_t row = 0; row < 19; ++row) {
    for (int64_t k = 0; k < 96; ++k) {
      const int code = packed.code(row, k);
      ASSERT_GE(code, 64);
      ASSERT_LE(code, 192);
      has_extreme = has_extreme || code == 64 || code == 192;
      ASSERT_NEAR(result.data<float>()[row * 96 + k], weight.data<float>()[row * 96 + k],
                  packed.scale(row, k / 32) * 0.501F);
    }
  }
  EXPECT_TRUE(has_extreme) << "the range is not used";
}

}  // namespace
}  // namespace vila
