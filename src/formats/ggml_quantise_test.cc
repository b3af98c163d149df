// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_quantise.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace vila::formats {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += "0123456789abcdef"[std::to_integer<int>(byte) >> 4];
    text += "0123456789abcdef"[std::to_integer<int>(byte) & 15];
  }
  return text;
}

std::vector<std::byte> quantised(GgmlType type, const std::vector<float>& numbers) {
  const auto bytes = static_cast<size_t>(ggml_type_info(static_cast<uint32_t>(type))->block_bytes);
  std::vector<std::byte> blocks(numbers.size() / 32 * bytes);
  quantise_blocks(type, numbers, blocks);
  return blocks;
}

/// 32 numbers of both signs.
std::vector<float> wave() {
  std::vector<float> numbers;
  for (int i = 0; i < 32; ++i) {
    const double step = (i * 37 % 64 - 31) * 0.03125;
    numbers.push_back(static_cast<float>(step + (i % 3 != 0 ? 0.01 : -0.02)));
  }
  return numbers;
}

// Bytes that gguf.quants.quantize of the Python package gguf 0.19 makes of the same numbers.
TEST(GgmlQuantise, MakesTheBytesOfGgml) {
  EXPECT_EQ(hex(quantised(GgmlType::q8_0, wave())),
            "12208419af3cd667fa9325b74ce26f099f2dc658ea7f15a73cd260f98f1db748da6f");
  EXPECT_EQ(hex(quantised(GgmlType::q4_0, wave())), "0ab0cf269d047be148bf268df36ad137ae15");
  EXPECT_EQ(hex(quantised(GgmlType::q4_1, wave())), "4430e9bb40d963fb952eb751da731c963ec852ea");
}

TEST(GgmlQuantise, EachTypeComesBackWithinHalfAStep) {
  const std::vector<float> numbers = wave();
  // The step from -1 to 1: 255, 16 and 15 of them, and the f16 rounding of scale and offset.
  const std::vector<std::pair<GgmlType, float>> steps = {
      {GgmlType::q8_0, 2.0F / 254}, {GgmlType::q4_0, 2.0F / 15}, {GgmlType::q4_1, 2.0F / 15}};
  for (const auto& [type, step] : steps) {
    std::vector<float> back(32);
    dequantise_blocks(type, quantised(type, numbers), back);
    for (size_t i = 0; i < 32; ++i) {
      // Q4_0 has no code for the magnitude of its extreme with the other sign: up to a whole step.
      const float share = type == GgmlType::q4_0 ? 1.02F : 0.52F;
      EXPECT_NEAR(back[i], numbers[i], share * step) << i;
    }
  }
}

TEST(GgmlQuantise, KeepsZerosAndEqualNumbers) {
  for (const GgmlType type : {GgmlType::q8_0, GgmlType::q4_0, GgmlType::q4_1}) {
    std::vector<float> back(64, 1);
    std::vector<float> numbers(64, 0);
    dequantise_blocks(type, quantised(type, numbers), back);
    EXPECT_EQ(back, numbers);
  }
  std::vector<float> back(32);
  dequantise_blocks(GgmlType::q4_1, quantised(GgmlType::q4_1, std::vector<float>(32, 0.5F)), back);
  EXPECT_EQ(back, std::vector<float>(32, 0.5F));
  EXPECT_FALSE(can_quantise(GgmlType::q6_k));
}

}  // namespace
}  // namespace vila::formats
