// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_blocks.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/numeric.h"

namespace vila::formats {
namespace {

constexpr std::array<GgmlTypeInfo, 11> kTypes = {{{GgmlType::f32, "F32", 1, 4, 1, 0},
                                                  {GgmlType::f16, "F16", 1, 2, 1, 0},
                                                  {GgmlType::q4_0, "Q4_0", 32, 18, 32, 4},
                                                  {GgmlType::q4_1, "Q4_1", 32, 20, 32, 4},
                                                  {GgmlType::q5_0, "Q5_0", 32, 22, 32, 8},
                                                  {GgmlType::q5_1, "Q5_1", 32, 24, 32, 8},
                                                  {GgmlType::q8_0, "Q8_0", 32, 34, 32, 8},
                                                  {GgmlType::q4_k, "Q4_K", 256, 144, 32, 4},
                                                  {GgmlType::q5_k, "Q5_K", 256, 176, 32, 8},
                                                  {GgmlType::q6_k, "Q6_K", 256, 210, 16, 8},
                                                  {GgmlType::bf16, "BF16", 1, 2, 1, 0}}};

template <typename T>
T load(const uint8_t* bytes) {
  T value{};
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

float half(const uint8_t* bytes) {
  return to_f32(load<f16>(bytes));
}

void plain_f32(const uint8_t* block, float* y) {
  *y = load<float>(block);
}

void plain_f16(const uint8_t* block, float* y) {
  *y = half(block);
}

void plain_bf16(const uint8_t* block, float* y) {
  *y = to_f32(load<bf16>(block));
}

/// f16 scale, 16 bytes: weight j in the low nibbles, j + 16 in the high ones.
void block_q4_0(const uint8_t* block, float* y) {
  const float d = half(block);
  for (int j = 0; j < 16; ++j) {
    y[j] = static_cast<float>((block[2 + j] & 15) - 8) * d;
    y[j + 16] = static_cast<float>((block[2 + j] >> 4) - 8) * d;
  }
}

void block_q4_1(const uint8_t* block, float* y) {
  const float d = half(block);
  const float m = half(block + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = static_cast<float>(block[4 + j] & 15) * d + m;
    y[j + 16] = static_cast<float>(block[4 + j] >> 4) * d + m;
  }
}

/// The fifth bits of 32 weights stand in one word.
int fifth_bit(uint32_t bits, int j) {
  return static_cast<int>((bits >> j & 1U) << 4);
}

void block_q5_0(const uint8_t* block, float* y) {
  const float d = half(block);
  const auto bits = load<uint32_t>(block + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = static_cast<float>(((block[6 + j] & 15) | fifth_bit(bits, j)) - 16) * d;
    y[j + 16] = static_cast<float>(((block[6 + j] >> 4) | fifth_bit(bits, j + 16)) - 16) * d;
  }
}

void block_q5_1(const uint8_t* block, float* y) {
  const float d = half(block);
  const float m = half(block + 2);
  const auto bits = load<uint32_t>(block + 4);
  for (int j = 0; j < 16; ++j) {
    y[j] = static_cast<float>((block[8 + j] & 15) | fifth_bit(bits, j)) * d + m;
    y[j + 16] = static_cast<float>((block[8 + j] >> 4) | fifth_bit(bits, j + 16)) * d + m;
  }
}

void block_q8_0(const uint8_t* block, float* y) {
  const float d = half(block);
  for (int j = 0; j < 32; ++j)
    y[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
}

/// Scale and minimum of sub-block j: 6 bits each, packed in 12 bytes.
struct ScaleAndMin {
  float scale;
  float min;
};

ScaleAndMin unpack_6_bits(const uint8_t* b, int j) {
  if (j < 4) return {static_cast<float>(b[j] & 63), static_cast<float>(b[j + 4] & 63)};
  return {static_cast<float>((b[j + 4] & 15) | (b[j - 4] >> 6) << 4),
          static_cast<float>((b[j + 4] >> 4) | (b[j] >> 6) << 4)};
}

/// Eight sub-blocks of 32: of each 32 bytes the low nibbles, then the high ones. `high` are the
/// fifth bits, bit j of a byte for sub-block j; null for Q4_K.
void sub_blocks(const uint8_t* block, const uint8_t* high, const uint8_t* low, float* y) {
  const float d = half(block);
  const float dmin = half(block + 2);
  for (int j = 0; j < 8; ++j) {
    const ScaleAndMin packed = unpack_6_bits(block + 4, j);
    const float scale = d * packed.scale;
    const float min = dmin * packed.min;
    for (int l = 0; l < 32; ++l) {
      const int byte = low[32 * (j / 2) + l];
      const int nibble = j % 2 == 0 ? byte & 15 : byte >> 4;
      const int fifth = high == nullptr ? 0 : fifth_bit(high[l], j);
      y[32 * j + l] = scale * static_cast<float>(nibble | fifth) - min;
    }
  }
}

void block_q4_k(const uint8_t* block, float* y) {
  sub_blocks(block, nullptr, block + 16, y);
}

void block_q5_k(const uint8_t* block, float* y) {
  sub_blocks(block, block + 16, block + 48, y);
}

/// Two halves of 128; in each, 64 bytes of low nibbles, 32 of high bits in pairs, 8 scales.
void block_q6_k(const uint8_t* block, float* y) {
  const float d = half(block + 208);
  for (int half_block = 0; half_block < 2; ++half_block) {
    const uint8_t* low = block + 64 * half_block;
    const uint8_t* high = block + 128 + 32 * half_block;
    const uint8_t* scales = block + 192 + 8 * half_block;
    for (int part = 0; part < 4; ++part) {
      for (int l = 0; l < 32; ++l) {
        const int byte = low[32 * (part % 2) + l];
        const int nibble = part < 2 ? byte & 15 : byte >> 4;
        const int code = (nibble | (high[l] >> (2 * part) & 3) << 4) - 32;
        const auto scale = static_cast<int8_t>(scales[2 * part + l / 16]);
        *y++ = d * static_cast<float>(scale) * static_cast<float>(code);
      }
    }
  }
}

/// A code of a row that starts at an even place, where 0 stands.
void set_nibble(uint8_t* codes, int64_t at, int code) {
  codes[at / 2] = static_cast<uint8_t>(codes[at / 2] | code << (at % 2 == 0 ? 0 : 4));
}

/// 32 weights of Q4_0 and Q4_1: weight j in the low nibble of byte j, j + 16 in the high one.
void place_halves(const uint8_t* bytes, uint8_t* codes) {
  for (int j = 0; j < 16; ++j) {
    set_nibble(codes, j, bytes[j] & 15);
    set_nibble(codes, j + 16, bytes[j] >> 4);
  }
}

void codes_q4_0(const uint8_t* block, uint8_t* codes, float* scales, float* offsets) {
  place_halves(block + 2, codes);
  scales[0] = half(block);
  offsets[0] = -8 * scales[0];
}

void codes_q4_1(const uint8_t* block, uint8_t* codes, float* scales, float* offsets) {
  place_halves(block + 4, codes);
  scales[0] = half(block);
  offsets[0] = half(block + 2);
}

void codes_q4_k(const uint8_t* block, uint8_t* codes, float* scales, float* offsets) {
  for (int j = 0; j < 8; ++j) {
    const ScaleAndMin packed = unpack_6_bits(block + 4, j);
    scales[j] = half(block) * packed.scale;
    offsets[j] = -(half(block + 2) * packed.min);
    for (int l = 0; l < 32; ++l) {
      const int byte = block[16 + 32 * (j / 2) + l];
      set_nibble(codes, 32 * j + l, j % 2 == 0 ? byte & 15 : byte >> 4);
    }
  }
}

using Dequantise = void (*)(const uint8_t* block, float* y);

Dequantise dequantiser(GgmlType type) {
  switch (type) {
    case GgmlType::f32:
      return plain_f32;
    case GgmlType::f16:
      return plain_f16;
    case GgmlType::bf16:
      return plain_bf16;
    case GgmlType::q4_0:
      return block_q4_0;
    case GgmlType::q4_1:
      return block_q4_1;
    case GgmlType::q5_0:
      return block_q5_0;
    case GgmlType::q5_1:
      return block_q5_1;
    case GgmlType::q8_0:
      return block_q8_0;
    case GgmlType::q4_k:
      return block_q4_k;
    case GgmlType::q5_k:
      return block_q5_k;
    case GgmlType::q6_k:
      return block_q6_k;
  }
  VILA_CHECK(false, "type {}", static_cast<uint32_t>(type));
  return nullptr;
}

}  // namespace

const GgmlTypeInfo* ggml_type_info(uint32_t type) noexcept {
  const auto* found = std::ranges::find(kTypes, static_cast<GgmlType>(type), &GgmlTypeInfo::type);
  return found == kTypes.end() ? nullptr : found;
}

void dequantise_blocks(GgmlType type, std::span<const std::byte> blocks, std::span<float> target) {
  const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(type));
  const auto bytes = static_cast<size_t>(info.block_bytes);
  const auto weights = static_cast<size_t>(info.block_weights);
  VILA_CHECK(blocks.size() % bytes == 0 && blocks.size() / bytes * weights == target.size(),
             "{} bytes to {} weights of {}", blocks.size(), target.size(), info.name);
  const Dequantise dequantise = dequantiser(type);
  const auto* block = reinterpret_cast<const uint8_t*>(blocks.data());
  for (size_t i = 0; i < blocks.size() / bytes; ++i)
    dequantise(block + i * bytes, target.data() + i * weights);
}

void unpack_4bit_blocks(GgmlType type, std::span<const std::byte> blocks, const Q4Row& target) {
  const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(type));
  const auto count = static_cast<int64_t>(blocks.size()) / info.block_bytes;
  const int64_t groups = info.block_weights / info.group;  // of a block
  VILA_CHECK(info.packed_bits == 4 && std::ssize(target.codes) * 2 == count * info.block_weights &&
                 std::ssize(target.scales) == count * groups,
             "{} blocks of {} to {} bytes", count, info.name, target.codes.size());
  const auto unpack = type == GgmlType::q4_0   ? codes_q4_0
                      : type == GgmlType::q4_1 ? codes_q4_1
                                               : codes_q4_k;
  std::ranges::fill(target.codes, uint8_t{0});
  const auto* bytes = reinterpret_cast<const uint8_t*>(blocks.data());
  for (int64_t i = 0; i < count; ++i) {
    unpack(bytes + i * info.block_bytes, target.codes.data() + i * info.block_weights / 2,
           target.scales.data() + i * groups, target.offsets.data() + i * groups);
  }
}

}  // namespace vila::formats
