// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

/// Bytes of a type's first f16 in a block: its scale.
size_t scale_place(GgmlType type) {
  return type == GgmlType::q6_k ? 208 : 0;
}

/// A mapped file of random blocks whose scales (and minima) are small numbers.
class GgufMatrix : public testing::Test {
 protected:
  GgufTensor blocks(GgmlType type, int64_t rows, int64_t columns) {
    const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(type));
    const auto block = static_cast<size_t>(info.block_bytes);
    bytes_.resize(static_cast<size_t>(rows * columns / info.block_weights) * block);
    Random random(7);
    for (std::byte& byte : bytes_)
      byte = static_cast<std::byte>(random.below(256));
    for (size_t at = 0; at < bytes_.size(); at += block) {
      const bool has_minimum = type == GgmlType::q4_1 || type == GgmlType::q5_1 ||
                               type == GgmlType::q4_k || type == GgmlType::q5_k;
      set_half(at + scale_place(type), 0.01F + 0.02F * static_cast<float>(random.uniform()));
      if (has_minimum) set_half(at + 2, 0.3F);
      // ggml's rounding gives the largest of a Q8_0 block the code 127 or -127.
      if (type == GgmlType::q8_0) bytes_[at + 2] = std::byte{0x81};
      for (size_t i = at + 3; type == GgmlType::q8_0 && i < at + block; ++i)
        if (bytes_[i] == std::byte{0x80}) bytes_[i] = std::byte{0};
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    file_.file = std::make_shared<const MappedFile>(folder_.write("blocks", text));
    return {type, {rows, columns}, file_.file->bytes()};
  }

  QuantisedMatrix matrix(const GgufTensor& tensor, const RowOrder& order = {}) {
    return gguf_matrix(file_, tensor, order);
  }

  static double largest(const Tensor& tensor) {
    double most = 0;
    for (const float value : tensor.values<float>())
      most = std::max(most, std::abs(double{value}));
    return most;
  }

 private:
  void set_half(size_t at, float value) {
    const f16 half = to_f16(value);
    std::memcpy(&bytes_[at], &half, sizeof(half));
  }

  test::TemporaryFolder folder_;
  std::vector<std::byte> bytes_;
  GgufFile file_;
};

TEST_F(GgufMatrix, Q4_0AndQ4_1AndQ8_0ArePackedExactly) {
  for (const GgmlType type : {GgmlType::q4_0, GgmlType::q4_1, GgmlType::q8_0}) {
    const QuantisedMatrix packed = matrix(blocks(type, 21, 96));
    EXPECT_EQ(packed.group, 32);
    const PackedMatrix result = packed.pack();
    EXPECT_EQ(static_cast<int64_t>(result.nbytes()), packed.bytes());
    EXPECT_EQ(result.has_offsets, type == GgmlType::q4_1);
    EXPECT_EQ(compare(dequantise(result), packed.dequantise()).max_abs, 0)
        << static_cast<int>(type);
  }
}

TEST_F(GgufMatrix, TheOtherTypesArePackedWithinASmallShareOfTheirStep) {
  for (const GgmlType type :
       {GgmlType::q4_k, GgmlType::q5_0, GgmlType::q5_1, GgmlType::q5_k, GgmlType::q6_k}) {
    const QuantisedMatrix packed = matrix(blocks(type, 18, 512));
    const Tensor exact = packed.dequantise();
    const double error = compare(dequantise(packed.pack()), exact).max_abs;
    EXPECT_GT(error, 0) << static_cast<int>(type) << ": rounded";
    // Half a step of 127, or of half precision for scale and minimum of Q4_K.
    const double share = packed.bits == 8 ? 0.5 / 126 : 2.5 / 2048;
    EXPECT_LE(error, share * largest(exact)) << static_cast<int>(type);
  }
}

TEST_F(GgufMatrix, TurnsTheRowsOfRotaryHeadsBack) {
  const GgufTensor tensor = blocks(GgmlType::q4_0, 16, 32);
  const Tensor plain = matrix(tensor).dequantise();
  const QuantisedMatrix turned = matrix(tensor, {.heads = 2});
  const Tensor rows = turned.dequantise();
  // Two heads of 8 rows: row i + 4 j of a head stands at 2 i + j.
  const int64_t expected[] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};
  for (int64_t row = 0; row < 16; ++row) {
    EXPECT_EQ(
        compare(rows.rows(row, row + 1), plain.rows(expected[row], expected[row] + 1)).max_abs, 0)
        << row;
  }
  EXPECT_EQ(compare(dequantise(turned.pack()), rows).max_abs, 0);
  EXPECT_EQ(compare(turned.dequantise(), rows).max_abs, 0) << "pages that pack() gave back";
}

TEST_F(GgufMatrix, IsOnlyWhatHasBlocks) {
  EXPECT_TRUE(is_gguf_matrix({GgmlType::q6_k, {1, 256}, {}}));
  EXPECT_FALSE(is_gguf_matrix({GgmlType::bf16, {4, 256}, {}}));
  EXPECT_FALSE(is_gguf_matrix({GgmlType::q4_0, {32}, {}})) << "a vector";
}

}  // namespace
}  // namespace vila::formats
