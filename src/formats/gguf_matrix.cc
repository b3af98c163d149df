// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_matrix.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "formats/mapped_pages.h"
#include "tensor/q4_layout.h"

namespace vila::formats {
namespace {

/// Blocks of a mapped file (`tensor.data` is part of the map), row by row in the order of
/// transformers. A value; keeps the map alive.
struct BlockRows {
  std::shared_ptr<const MappedFile> file;
  GgufTensor tensor;
  RowOrder order;

  int64_t rows() const { return tensor.shape[0]; }

  int64_t columns() const { return tensor.shape[1]; }

  std::span<const std::byte> row(int64_t index) const {
    const size_t bytes = tensor.data.size() / static_cast<size_t>(rows());
    const auto source = static_cast<size_t>(order.source(index, rows()));
    return tensor.data.subspan(source * bytes, bytes);
  }

  /// Rows [begin, end) in float.
  Tensor floats(int64_t begin, int64_t end) const {
    Tensor numbers = Tensor::empty(DType::f32, {end - begin, columns()});
    for (int64_t n = begin; n < end; ++n) {
      dequantise_blocks(tensor.type, row(n),
                        numbers.rows(n - begin, n - begin + 1).values<float>());
    }
    return numbers;
  }
};

PackedMatrix pack_4bit(const BlockRows& blocks, int64_t group, int64_t begin, int64_t end) {
  Q4Matrix matrix = Q4Matrix::zeros(end - begin, blocks.columns(), group);
  const auto groups = static_cast<size_t>(matrix.groups());
  for (int64_t n = 0; n < matrix.out; ++n) {
    const size_t first = static_cast<size_t>(n) * groups;
    unpack_4bit_blocks(blocks.tensor.type, blocks.row(begin + n),
                       {.codes = matrix.codes.rows(n, n + 1).values<uint8_t>(),
                        .scales = matrix.scales.values<float>().subspan(first, groups),
                        .offsets = matrix.offsets.values<float>().subspan(first, groups)});
  }
  return pack(matrix);
}

PackedMatrix pack_rows(const BlockRows& blocks, const GgmlTypeInfo& info, int64_t begin,
                       int64_t end) {
  return info.packed_bits == 4 ? pack_4bit(blocks, info.group, begin, end)
                               : quantise_rows_8bit(blocks.floats(begin, end), info.group);
}

/// A tile at a time: tiles of the layout follow one another, and a matrix of codes or floats would
/// be two to eight times the result.
PackedMatrix pack_blocks(const BlockRows& blocks, const GgmlTypeInfo& info) {
  PackedMatrix matrix = pack_rows(blocks, info, 0, 1);
  matrix.out = blocks.rows();
  matrix.data = Tensor::empty(DType::u8, {matrix.tiles() * matrix.tile_bytes()});
  for (int64_t tile = 0; tile < matrix.tiles(); ++tile) {
    const int64_t begin = tile * PackedMatrix::kTileRows;
    const int64_t end = std::min(begin + PackedMatrix::kTileRows, matrix.out);
    const PackedMatrix part = pack_rows(blocks, info, begin, end);
    std::memcpy(matrix.data.data<uint8_t>() + tile * matrix.tile_bytes(), part.data.raw(),
                part.nbytes());
  }
  return matrix;
}

}  // namespace

int64_t RowOrder::source(int64_t row, int64_t rows) const {
  if (heads == 0) return row;
  const int64_t half = rows / heads / 2;
  const int64_t i = row % (2 * half);
  return row - i + i % half * 2 + i / half;
}

bool is_gguf_matrix(const GgufTensor& tensor) {
  return tensor.shape.rank() == 2 && tensor.shape.numel() > 0 &&
         ggml_type_info(static_cast<uint32_t>(tensor.type))->packed_bits > 0;
}

QuantisedMatrix gguf_matrix(const GgufFile& file, const GgufTensor& tensor, const RowOrder& order) {
  const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(tensor.type));
  const BlockRows blocks{file.file, tensor, order};
  return {.out = blocks.rows(),
          .in = blocks.columns(),
          .group = info.group,
          .bits = info.packed_bits,
          .pack =
              [blocks, info] {
                PackedMatrix packed = pack_blocks(blocks, info);
                release_pages(blocks.tensor.data);
                return packed;
              },
          .dequantise = [blocks] { return blocks.floats(0, blocks.rows()); }};
}

}  // namespace vila::formats
