// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_blocks.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "base/numeric.h"
#include "vila/error.h"

namespace vila::formats {
namespace {

/// Two blocks of the bytes (37 i + 11) mod 256, the halves at `halves` set to 0.25 (k + 1) and
/// -0.125 (k + 1) in block k; what dequantize() of the package gguf 0.19 makes of them: the first,
/// the 18th and the last weight, and the sum of weight i times (i mod 7 + 1).
struct Golden {
  GgmlType type;
  std::vector<size_t> halves;
  float first;
  float eighteenth;
  float last;
  double weighted_sum;
};

const std::vector<Golden> kGoldens = {
    {GgmlType::q4_0, {0}, -0.75, -0.25, -3.5, 80.5},
    {GgmlType::q4_1, {0, 2}, 3.625, 2.875, 4.75, 660.5},
    {GgmlType::q5_0, {0}, 2.25, 0.0, 2.0, 61.0},
    {GgmlType::q5_1, {0, 2}, 4.625, 1.125, 14.25, 1314.25},
    {GgmlType::q8_0, {0}, 21.25, -13.5, -35.0, 215.5},
    {GgmlType::q4_k, {0, 2}, 91.625, 6.375, 220.0, 217299.75},
    {GgmlType::q5_k, {0, 2}, 215.625, 6.375, 134.5, 337637.75},
    {GgmlType::q6_k, {208}, -357.75, 128.0, -800.0, 46201.75},
};

std::vector<std::byte> blocks_of(const Golden& golden, size_t block_bytes) {
  std::vector<std::byte> bytes(2 * block_bytes);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 37 + 11);
  for (size_t k = 0; k < 2; ++k) {
    float value = 0.25F * static_cast<float>(k + 1);
    for (const size_t at : golden.halves) {
      const f16 number = to_f16(value);
      std::memcpy(&bytes[k * block_bytes + at], &number, sizeof(number));
      value *= -0.5F;
    }
  }
  return bytes;
}

TEST(GgmlBlocks, DequantiseAsThePackageGguf) {
  for (const Golden& golden : kGoldens) {
    const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(golden.type));
    const auto bytes = blocks_of(golden, static_cast<size_t>(info.block_bytes));
    std::vector<float> y(static_cast<size_t>(2 * info.block_weights));
    dequantise_blocks(golden.type, bytes, y);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i)
      sum += double{y[i]} * static_cast<double>(i % 7 + 1);
    EXPECT_EQ(y.front(), golden.first) << info.name;
    EXPECT_EQ(y[17], golden.eighteenth) << info.name;
    EXPECT_EQ(y.back(), golden.last) << info.name;
    EXPECT_EQ(sum, golden.weighted_sum) << info.name;
  }
}

TEST(GgmlBlocks, FourBitsComeApartIntoCodesScalesAndOffsets) {
  int types = 0;
  for (const Golden& golden : kGoldens) {
    const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(golden.type));
    if (info.packed_bits != 4) continue;
    const auto bytes = blocks_of(golden, static_cast<size_t>(info.block_bytes));
    const auto count = static_cast<size_t>(2 * info.block_weights);
    const auto group = static_cast<size_t>(info.group);
    std::vector<float> expected(count);
    dequantise_blocks(golden.type, bytes, expected);
    std::vector<uint8_t> codes(count / 2, uint8_t{0xff});
    std::vector<float> scales(count / group);
    std::vector<float> offsets(count / group);
    unpack_4bit_blocks(golden.type, bytes, {codes, scales, offsets});
    for (size_t k = 0; k < count; ++k) {
      const int code = k % 2 == 0 ? codes[k / 2] & 15 : codes[k / 2] >> 4;
      ASSERT_EQ(static_cast<float>(code) * scales[k / group] + offsets[k / group], expected[k])
          << info.name << " weight " << k;
    }
    EXPECT_THROW(unpack_4bit_blocks(golden.type, bytes, {codes, {scales.data(), 1}, offsets}), Bug);
    ++types;
  }
  EXPECT_EQ(types, 3);
}

TEST(GgmlBlocks, PlainTypesAreBlocksOfOneWeight) {
  const float number = -1.5F;
  float y = 0;
  dequantise_blocks(GgmlType::f32, std::as_bytes(std::span(&number, 1)), {&y, 1});
  EXPECT_EQ(y, number);
  const f16 half = to_f16(number);
  dequantise_blocks(GgmlType::f16, std::as_bytes(std::span(&half, 1)), {&y, 1});
  EXPECT_EQ(y, number);
  const bf16 brain = to_bf16(2.5F);
  dequantise_blocks(GgmlType::bf16, std::as_bytes(std::span(&brain, 1)), {&y, 1});
  EXPECT_EQ(y, 2.5F);
}

TEST(GgmlBlocks, KnowsOnlyTheTypesThatItReads) {
  int known = 0;
  for (uint32_t type = 0; type < 64; ++type)
    known += ggml_type_info(type) != nullptr;
  EXPECT_EQ(known, 11);
  EXPECT_EQ(ggml_type_info(10), nullptr) << "Q2_K";
}

TEST(GgmlBlocks, BytesAndWeightsMustFit) {
  const std::vector<std::byte> bytes(18);
  std::vector<float> y(31);
  EXPECT_THROW(dequantise_blocks(GgmlType::q4_0, bytes, y), Bug);
}

}  // namespace
}  // namespace vila::formats
