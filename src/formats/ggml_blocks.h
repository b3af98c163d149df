// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vila::formats {

/// The types of GGUF tensors that are read, by their numbers in files (enum ggml_type of ggml.h).
enum class GgmlType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

/// How a type stands in a file: rows are cut into blocks.
struct GgmlTypeInfo {
  GgmlType type;
  std::string_view name;  // "Q4_K"
  int64_t block_weights;
  int64_t block_bytes;
  int64_t group;    // weights that share a scale; 1: plain numbers
  int packed_bits;  // of the PackedMatrix that holds them: 4 or 8; 0: plain numbers
};

/// The row of a type number; null for one that is not read.
const GgmlTypeInfo* ggml_type_info(uint32_t type) noexcept;

/// Turns whole blocks of a type into floats, in the arithmetic and order of ggml's
/// dequantize_row_* (ggml-quants.c), so that the values are equal.
/// @pre blocks.size() is a multiple of the type's block_bytes and target has its weights
void dequantise_blocks(GgmlType type, std::span<const std::byte> blocks, std::span<float> target);

/// One row of a Q4Matrix.
struct Q4Row {
  std::span<uint8_t> codes;  // half the weights: column 2i in the low nibble of byte i
  std::span<float> scales;   // one for each group
  std::span<float> offsets;
};

/// Turns whole blocks of Q4_0, Q4_1 or Q4_K into codes: weight = code * scale + offset.
/// @pre as above; packed_bits of the type is 4
void unpack_4bit_blocks(GgmlType type, std::span<const std::byte> blocks, const Q4Row& target);

}  // namespace vila::formats
