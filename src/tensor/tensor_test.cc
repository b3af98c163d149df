// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila {
namespace {

Tensor count_up(const Shape& shape) {
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = static_cast<float>(i);
  return tensor;
}

TEST(DType, HasTheSizesAndNamesOfTheFormats) {
  EXPECT_EQ(dtype_size(DType::f32), 4U);
  EXPECT_EQ(dtype_size(DType::bf16), 2U);
  EXPECT_EQ(dtype_size(DType::f64), 8U);
  EXPECT_EQ(dtype_size(DType::boolean), 1U);
  EXPECT_EQ(dtype_name(DType::bf16), "bf16");
  EXPECT_EQ(dtype_name(DType::boolean), "bool");
  EXPECT_EQ(dtype_of<f16>(), DType::f16);
  EXPECT_TRUE(is_weight_dtype(DType::f16));
  EXPECT_FALSE(is_weight_dtype(DType::f64));
}

TEST(Shape, CountsAndWritesItself) {
  EXPECT_EQ(Shape({4096, 1024}).numel(), 4096 * 1024);
  EXPECT_EQ(Shape({}).numel(), 1);
  EXPECT_EQ(Shape({3, 0, 5}).numel(), 0);
  EXPECT_EQ(Shape({4096, 1024}).text(), "[4096, 1024]");
  EXPECT_EQ(Shape({}).text(), "[]");
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
  EXPECT_NE(Shape({2}), Shape({2, 1}));
  EXPECT_THROW(Shape({1, 1, 1, 1, 1, 1, 1}), Bug);
}

TEST(Tensor, OwnsAlignedMemory) {
  const Tensor tensor = Tensor::zeros(DType::f32, {3, 5});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.raw()) % 64, 0U);
  EXPECT_EQ(tensor.nbytes(), 60U);
  EXPECT_EQ(tensor.dim(-1), 5);
  EXPECT_EQ(tensor.dim(0), 3);
  for (const float value : tensor.values<float>())
    EXPECT_EQ(value, 0);
  EXPECT_EQ(tensor.text(), "[3, 5] f32");
}

TEST(Tensor, KnowsWhetherItIsDefined) {
  EXPECT_FALSE(Tensor().defined());
  EXPECT_TRUE(Tensor::empty(DType::f32, {}).defined());
  EXPECT_TRUE(Tensor::empty(DType::f32, {0}).defined());
}

TEST(Tensor, CopiesShareElements) {
  const Tensor a = Tensor::zeros(DType::i32, {2});
  const Tensor b = a;
  b.data<int32_t>()[1] = 7;
  EXPECT_EQ(a.data<int32_t>()[1], 7);
}

TEST(Tensor, ViewsKeepTheirOwnerAlive) {
  auto owner = std::make_shared<std::vector<float>>(4, 2.5F);
  const std::weak_ptr<std::vector<float>> watch = owner;
  Tensor view = Tensor::view(DType::f32, {4}, owner->data(), owner);
  owner.reset();
  Tensor part = view.rows(1, 3).reshape({2, 1});
  view = Tensor();
  ASSERT_FALSE(watch.expired());
  EXPECT_EQ(part.data<float>()[0], 2.5F);
  part = Tensor();
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, AccessAsAnotherTypeIsABug) {
  EXPECT_THROW(Tensor::zeros(DType::f32, {2}).data<int32_t>(), Bug);
  EXPECT_THROW(Tensor::zeros(DType::bf16, {2}).values<f16>(), Bug);
}

TEST(Tensor, RowsAreAPartOfTheFirstAxis) {
  const Tensor tensor = count_up({4, 2, 3});
  const Tensor part = tensor.rows(1, 3);
  EXPECT_EQ(part.shape(), Shape({2, 2, 3}));
  EXPECT_EQ(part.data<float>()[0], 6);
  EXPECT_EQ(tensor.rows(4, 4).numel(), 0);
  EXPECT_THROW(tensor.rows(3, 5), Bug);
  EXPECT_THROW(tensor.rows(2, 1), Bug);
  EXPECT_THROW(tensor.rows(-1, 1), Bug);
}

TEST(Tensor, ReshapeInfersOneExtent) {
  const Tensor tensor = count_up({4, 6});
  EXPECT_EQ(tensor.reshape({-1, 3}).shape(), Shape({8, 3}));
  EXPECT_EQ(tensor.reshape({2, 2, -1}).shape(), Shape({2, 2, 6}));
  EXPECT_EQ(tensor.reshape({24}).raw(), tensor.raw());
  EXPECT_THROW(tensor.reshape({5, 5}), Bug);
  EXPECT_THROW(tensor.reshape({-1, 7}), Bug);
}

TEST(Tensor, ConvertsBetweenFloatTypes) {
  Tensor source = Tensor::empty(DType::f32, {5});
  const std::vector<float> values = {1.0F, -2.5F, 65504.0F, 1.0F + 0x1p-11F, 3.0e38F};
  std::copy(values.begin(), values.end(), source.data<float>());

  const Tensor half = source.to(DType::f16);
  const Tensor brain = source.to(DType::bf16);
  const Tensor wide = source.to(DType::f64);

  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(half.data<f16>()[i].bits, to_f16(values[i]).bits);
    EXPECT_EQ(brain.data<bf16>()[i].bits, to_bf16(values[i]).bits);
    EXPECT_EQ(wide.data<double>()[i], static_cast<double>(values[i]));
    EXPECT_EQ(brain.to(DType::f32).data<float>()[i], to_f32(brain.data<bf16>()[i]));
  }
  EXPECT_NE(source.to(DType::f32).raw(), source.raw());
}

TEST(Tensor, ConvertsNoIntegersToFloats) {
  EXPECT_EQ(Tensor::zeros(DType::i64, {2}).to(DType::i64).numel(), 2);
  EXPECT_THROW(Tensor::zeros(DType::i64, {2}).to(DType::f32), Bug);
  EXPECT_THROW(Tensor::zeros(DType::f32, {2}).to(DType::u8), Bug);
}

TEST(Tensor, LivesInAnArena) {
  Arena arena;
  const Tensor tensor = arena_tensor(arena, DType::bf16, {7, 3});
  EXPECT_EQ(tensor.text(), "[7, 3] bf16");
  EXPECT_EQ(arena.high_water(), 64U);
}

}  // namespace
}  // namespace vila
