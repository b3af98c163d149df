// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "formats/gguf.h"
#include "formats/quantised_matrix.h"

namespace vila::formats {

/// How the rows of a matrix stand in a GGUF file of the architecture llama: those of each head, of
/// its rotary halves in turn (row 2i + j of a head is row i + j * half of transformers).
struct RowOrder {
  int64_t heads = 0;  // 0: in the order of transformers

  /// The row of the file for a row of the matrix. @pre heads > 0: rows is a multiple of 2 * heads
  int64_t source(int64_t row, int64_t rows) const;
};

/// Whether a tensor is one that gguf_matrix() takes: a matrix of blocks, not of plain floats.
bool is_gguf_matrix(const GgufTensor& tensor);

/// A matrix of blocks, in the order of transformers.
///
/// Packed, Q4_0 and Q4_1 are exact; Q4_K has its scales and minima rounded to half precision (2^-11
/// of themselves). Types of more bits become 8-bit codes of the same groups (32 columns, 16 of
/// Q6_K) rounded anew: exactly what the file says for Q8_0 as ggml writes it, for the others within
/// an eighth of the file's own step. Dequantised, each is ggml's numbers.
QuantisedMatrix gguf_matrix(const GgufFile& file, const GgufTensor& tensor, const RowOrder& order);

}  // namespace vila::formats
