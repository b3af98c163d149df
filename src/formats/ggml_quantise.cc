// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_quantise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "tensor/dtype.h"

namespace vila::formats {
namespace {

constexpr size_t kWeights = 32;  // of a block
constexpr size_t kHalf = kWeights / 2;

void put_half(std::byte* target, float value) {
  const f16 half = to_f16(value);
  std::memcpy(target, &half, sizeof half);
}

/// 1 / step, or 0 where all numbers are alike.
float inverse(float step) {
  return step != 0 ? 1 / step : 0;
}

void block_q8_0(const float* x, std::byte* block) {
  float largest = 0;
  for (size_t j = 0; j < kWeights; ++j)
    largest = std::max(largest, std::abs(x[j]));
  const float step = largest / 127;
  const float inverse_step = inverse(step);
  put_half(block, step);
  for (size_t j = 0; j < kWeights; ++j) {
    const auto code = static_cast<int8_t>(std::round(x[j] * inverse_step));
    block[2 + j] = static_cast<std::byte>(code);
  }
}

/// A code of 4 bits; beyond 15 is the last.
unsigned code_of(float scaled) {
  return static_cast<unsigned>(std::clamp(static_cast<int>(scaled), 0, 15));
}

/// Weight j in the low nibble of byte j, weight j + 16 in the high one.
void put_codes(const float* x, float inverse_step, float offset, std::byte* bytes) {
  for (size_t j = 0; j < kHalf; ++j) {
    const unsigned low = code_of(x[j] * inverse_step + offset);
    const unsigned high = code_of(x[j + kHalf] * inverse_step + offset);
    bytes[j] = static_cast<std::byte>(low | high << 4U);
  }
}

void block_q4_0(const float* x, std::byte* block) {
  float extreme = 0;
  for (size_t j = 0; j < kWeights; ++j) {
    if (std::abs(x[j]) > std::abs(extreme)) extreme = x[j];
  }
  const float step = extreme / -8;
  put_half(block, step);
  put_codes(x, inverse(step), 8.5F, block + 2);
}

void block_q4_1(const float* x, std::byte* block) {
  const auto [least, largest] = std::minmax_element(x, x + kWeights);
  const float step = (*largest - *least) / 15;
  const float inverse_step = inverse(step);
  put_half(block, step);
  put_half(block + 2, *least);
  float shifted[kWeights];
  for (size_t j = 0; j < kWeights; ++j)
    shifted[j] = x[j] - *least;
  put_codes(shifted, inverse_step, 0.5F, block + 4);
}

}  // namespace

bool can_quantise(GgmlType type) noexcept {
  return type == GgmlType::q8_0 || type == GgmlType::q4_0 || type == GgmlType::q4_1;
}

void quantise_blocks(GgmlType type, std::span<const float> numbers, std::span<std::byte> blocks) {
  const auto bytes = static_cast<size_t>(ggml_type_info(static_cast<uint32_t>(type))->block_bytes);
  VILA_CHECK(can_quantise(type) && numbers.size() % kWeights == 0 &&
                 blocks.size() == numbers.size() / kWeights * bytes,
             "{} numbers into {} bytes", numbers.size(), blocks.size());
  const auto quantise = type == GgmlType::q8_0   ? block_q8_0
                        : type == GgmlType::q4_0 ? block_q4_0
                                                 : block_q4_1;
  for (size_t i = 0; i < numbers.size() / kWeights; ++i)
    quantise(&numbers[i * kWeights], &blocks[i * bytes]);
}

}  // namespace vila::formats
