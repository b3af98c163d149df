// SPDX-License-Identifier: Apache-2.0
#include "formats/awq_pack.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

/// A layout, a shape and the type of the scales.
struct PackCase {
  AwqLayout layout;
  int64_t out;
  int64_t in;
  int64_t group;
  DType dtype;
};

class AwqPacking : public testing::TestWithParam<PackCase> {
 protected:
  AwqPacking() {
    const auto& [layout, out, in, group, dtype] = GetParam();
    Random random(11);
    source_ = {Tensor::empty(DType::u8, {out, in}),
               {},
               Tensor::empty(DType::u8, {out, in / group}),
               group};
    for (uint8_t& code : source_.codes.values<uint8_t>())
      code = static_cast<uint8_t>(random.below(16));
    for (uint8_t& zero : source_.zeros.values<uint8_t>())
      zero = static_cast<uint8_t>(random.below(16));
    const Tensor scales = Tensor::empty(DType::f32, source_.zeros.shape());
    for (float& scale : scales.values<float>())
      scale = static_cast<float>(0.01 + random.uniform());
    source_.scales = scales.to(dtype);
  }

  AwqSource source_;
};

TEST_P(AwqPacking, UnpacksToWhatWasPacked) {
  const AwqTensors packed = pack_awq(GetParam().layout, source_);
  ASSERT_EQ(awq_layout(packed, "test"), GetParam().layout);
  const Q4Matrix matrix = unpack_awq(packed, source_.group, "test");
  const Tensor scales = source_.scales.to(DType::f32);
  EXPECT_EQ(compare(matrix.scales, scales).max_abs, 0);
  for (int64_t i = 0; i < source_.codes.numel(); ++i) {
    ASSERT_EQ(matrix.code(i / matrix.in, i % matrix.in), source_.codes.data<uint8_t>()[i]) << i;
  }
  for (int64_t i = 0; i < scales.numel(); ++i) {
    const float exact =
        -(scales.data<float>()[i] * static_cast<float>(source_.zeros.data<uint8_t>()[i]));
    const bool is_rounded = GetParam().layout == AwqLayout::v2;
    const float step = GetParam().dtype == DType::bf16 ? 0x1p-8F : 0x1p-11F;
    EXPECT_NEAR(matrix.offsets.data<float>()[i], exact, is_rounded ? -exact * step : 0.0F) << i;
  }
}

TEST(AwqOffsets, AreKeptBitForBit) {
  AwqSource source{Tensor::zeros(DType::u8, {4, 64}), Tensor::empty(DType::f16, {4, 2}),
                   Tensor::empty(DType::f16, {4, 2}), 32};
  for (int i = 0; i < 8; ++i) {
    source.scales.data<f16>()[i] = to_f16(0.01F * static_cast<float>(i + 1));
    source.zeros.data<f16>()[i] =
        to_f16(-0.037F * static_cast<float>(i));  // no multiple of a scale
  }
  const Q4Matrix matrix = unpack_awq(pack_awq(AwqLayout::v2, source), 32, "test");
  EXPECT_EQ(compare(matrix.offsets, source.zeros.to(DType::f32)).max_abs, 0);
  EXPECT_EQ(compare(matrix.scales, source.scales.to(DType::f32)).max_abs, 0);
}

INSTANTIATE_TEST_SUITE_P(All, AwqPacking,
                         testing::Values(PackCase{AwqLayout::gemm, 24, 96, 32, DType::f16},
                                         PackCase{AwqLayout::gemm, 8, 864, 32, DType::f16},
                                         PackCase{AwqLayout::gemv, 5, 256, 128, DType::f16},
                                         PackCase{AwqLayout::gemv, 3, 576, 64, DType::f16},
                                         PackCase{AwqLayout::v2, 12, 320, 64, DType::f16},
                                         PackCase{AwqLayout::v2, 4, 2304, 128, DType::bf16},
                                         PackCase{AwqLayout::v2, 8, 192, 32, DType::f16}),
                         [](const auto& row) {
                           return std::string(awq_layout_name(row.param.layout)) + "_" +
                                  std::to_string(row.param.out) + "_" +
                                  std::to_string(row.param.in) + "_" +
                                  std::to_string(row.param.group);
                         });

TEST(AwqPacking, SaysWhatALayoutCannotHold) {
  EXPECT_FALSE(can_pack(AwqLayout::gemm, 20, 128, 128));  // 8 outputs to a word
  EXPECT_FALSE(can_pack(AwqLayout::v2, 320, 864, 32));    // 64 inputs to a block
  EXPECT_FALSE(can_pack(AwqLayout::v2, 6, 128, 128));
  EXPECT_FALSE(can_pack(AwqLayout::gemm, 8, 576, 128));  // not whole groups
  EXPECT_FALSE(can_pack(AwqLayout::gemm, 0, 0, 128));
  EXPECT_FALSE(can_pack(AwqLayout::marlin, 256, 256, 128));  // only read
  EXPECT_TRUE(can_pack(AwqLayout::gemm, 8, 864, 32));
}

}  // namespace
}  // namespace vila::formats
