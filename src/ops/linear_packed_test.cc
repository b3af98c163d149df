// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "kernels/reference.h"
#include "kernels/select.h"
#include "ops/ops.h"
#include "vila/error.h"

namespace vila::ops {
namespace {

Tensor normal_tensor(const Shape& shape, uint64_t seed) {
  Random random(seed);
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (float& value : tensor.values<float>())
    value = static_cast<float>(random.normal());
  return tensor;
}

/// 4-bit codes at random, groups of 32, offsets that are no multiple of the scale.
PackedMatrix four_bits(const Shape& shape) {
  Random random(2);
  Q4Matrix matrix = Q4Matrix::zeros(shape[0], shape[1], 32);
  for (uint8_t& byte : matrix.codes.values<uint8_t>())
    byte = static_cast<uint8_t>(random.below(256));
  for (float& scale : matrix.scales.values<float>())
    scale = 0.01F + 0.01F * static_cast<float>(random.uniform());
  for (float& offset : matrix.offsets.values<float>())
    offset = -0.1F + 0.01F * static_cast<float>(random.normal());
  return pack(matrix);
}

std::vector<PackedMatrix> both_widths(const Shape& shape) {
  return {four_bits(shape), quantise_rows_8bit(normal_tensor(shape, 3), 32)};
}

struct Bench {
  explicit Bench(int threads) : pool(threads) {}

  Arena arena;
  ThreadPool pool;
  Context ctx{arena, pool, kernels::best_kernels(), {}};
};

TEST(LinearPacked, IsTheReferenceWithinItsBound) {
  const Tensor x = normal_tensor({37, 160}, 1);
  const Tensor bias = normal_tensor({90}, 4).to(DType::bf16);
  const Tensor wide_bias = bias.to(DType::f32);
  for (const PackedMatrix& weight : both_widths({90, 160})) {
    std::vector<double> expected(37 * 90);
    std::vector<double> magnitude(expected.size());
    kernels::reference::gemm_packed({x.data<float>(), 37, weight, wide_bias.data<float>()},
                                    expected.data(), magnitude.data());
    Bench bench(2);
    const Tensor y = linear(bench.ctx, x, weight, bias);
    ASSERT_EQ(y.shape(), Shape({37, 90}));
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(double{y.values<float>()[i]}, expected[i], 9 * 0x1p-23 * magnitude[i]);
  }
}

TEST(LinearPacked, TogetherIsEachAlone) {
  const Tensor bias = normal_tensor({90}, 4);
  const Tensor none;
  const PackedMatrix first = four_bits({90, 160});
  const PackedMatrix second = four_bits({17, 160});
  const PackedMatrix bytes = quantise_rows_8bit(normal_tensor({33, 160}, 3), 32);
  const PackedMatrix other_groups = quantise_rows_8bit(normal_tensor({33, 160}, 3), 160);
  using Linears = std::vector<PackedLinear>;
  for (const Linears& linears :
       {Linears{}, Linears{{first, bias}}, Linears{{first, bias}, {second, none}, {bytes, none}},
        Linears{{second, none}, {other_groups, none}}}) {
    for (const int64_t rows : {0, 1, 37}) {
      for (const auto kind : {PackedActivations::int8, PackedActivations::float32}) {
        Bench bench(2);
        bench.ctx.packed_activations = kind;
        const Tensor x = normal_tensor({rows, 160}, 1);
        const std::vector<Tensor> ys = linear_together(bench.ctx, x, linears);
        ASSERT_EQ(ys.size(), linears.size());
        for (size_t i = 0; i < ys.size(); ++i) {
          const Tensor alone = linear(bench.ctx, x, linears[i].weight, linears[i].bias);
          ASSERT_EQ(ys[i].shape(), alone.shape());
          EXPECT_EQ(std::memcmp(ys[i].raw(), alone.raw(), alone.nbytes()), 0) << i;
        }
      }
    }
  }
}

TEST(LinearPacked, KeepsFloatActivationsWhenAsked) {
  const Tensor x = normal_tensor({37, 160}, 1);
  for (const PackedMatrix& weight : both_widths({90, 160})) {
    Bench bench(2);
    bench.ctx.packed_activations = PackedActivations::float32;
    const Tensor y = linear(bench.ctx, x, weight, Tensor());
    const Tensor expected = linear(bench.ctx, x, dequantise(weight), Tensor());
    for (int64_t i = 0; i < y.numel(); ++i)
      ASSERT_NEAR(y.data<float>()[i], expected.data<float>()[i], 2e-4F);
  }
}

TEST(LinearPacked, LosesLittleToQuantisedActivations) {
  const Tensor x = normal_tensor({5, 512}, 6);
  for (const PackedMatrix& weight : both_widths({64, 512})) {
    Bench bench(1);
    const Tensor y = linear(bench.ctx, x, weight, Tensor());
    const Tensor exact = linear(bench.ctx, x, dequantise(weight), Tensor());
    double error = 0;
    double power = 0;
    for (int64_t i = 0; i < y.numel(); ++i) {
      error += std::pow(double{y.data<float>()[i]} - double{exact.data<float>()[i]}, 2);
      power += std::pow(double{exact.data<float>()[i]}, 2);
    }
    // Steps of absmax / 127 with absmax of about 2.3 sigma in a group of 32 give an error of 0.5 %.
    EXPECT_LT(std::sqrt(error / power), 0.01);
    EXPECT_GT(std::sqrt(error / power), 0.001) << "activations were not quantised";
  }
}

TEST(LinearPacked, DoesNotDependOnThreadsNorOnTheBatch) {
  const Tensor x = normal_tensor({150, 1024}, 4);
  for (const PackedMatrix& weight : both_widths({300, 1024})) {
    for (const auto mode : {PackedActivations::int8, PackedActivations::float32}) {
      Bench one(1);
      one.ctx.packed_activations = mode;
      const Tensor expected = linear(one.ctx, x, weight, Tensor());
      for (const int threads : {2, 3, 5}) {
        Bench many(threads);
        many.ctx.packed_activations = mode;
        const Tensor y = linear(many.ctx, x, weight, Tensor());
        EXPECT_EQ(std::memcmp(y.raw(), expected.raw(), y.nbytes()), 0) << threads;
      }
      for (const int64_t row : {0, 77, 149}) {
        const Tensor single = linear(one.ctx, x.rows(row, row + 1), weight, Tensor());
        EXPECT_EQ(std::memcmp(single.raw(), expected.rows(row, row + 1).raw(), single.nbytes()), 0);
      }
    }
  }
}

TEST(LinearPacked, TakesNoRows) {
  Bench bench(2);
  const Tensor y = linear(bench.ctx, Tensor::empty(DType::f32, {0, 64}), four_bits({4, 64}), {});
  EXPECT_EQ(y.shape(), Shape({0, 4}));
}

TEST(LinearPacked, KeepsNanInItsOwnRow) {
  Tensor x = normal_tensor({9, 64}, 7);
  x.data<float>()[4 * 64 + 1] = std::numeric_limits<float>::quiet_NaN();
  Bench bench(2);
  const Tensor y = linear(bench.ctx, x, four_bits({20, 64}), Tensor());
  for (int64_t i = 0; i < y.numel(); ++i)
    EXPECT_EQ(std::isnan(y.data<float>()[i]), i / 20 == 4) << i;
}

TEST(LinearPacked, CallsAMisshapedInputABug) {
  Bench bench(1);
  const PackedMatrix weight = four_bits({4, 64});
  EXPECT_THROW(linear(bench.ctx, normal_tensor({2, 32}, 8), weight, Tensor()), Bug);
  EXPECT_THROW(linear(bench.ctx, normal_tensor({2, 64}, 8), weight, normal_tensor({5}, 9)), Bug);
}

TEST(LinearPacked, LeavesTheArenaAsItWasButForTheResult) {
  Bench bench(1);
  const PackedMatrix weight = four_bits({16, 64});
  const Tensor x = normal_tensor({2, 64}, 8);
  const size_t before = bench.arena.mark().total;
  linear(bench.ctx, x, weight, Tensor());
  EXPECT_EQ(bench.arena.mark().total - before, 2 * 16 * sizeof(float));
}

}  // namespace
}  // namespace vila::ops
