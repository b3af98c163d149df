// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace vila {

/// A matrix [out, in] of 4-bit codes, whatever file it came from: along a row each `group` columns
/// share a scale and an offset, weight = code * scale + offset.
///
/// The offset is a float so that both families are held exactly: an integer zero point z gives
/// -z * scale, a product of a 16-bit float and 4 bits; llm-awq's v2 files store the offset. A
/// value; copies share the memory.
struct Q4Matrix {
  int64_t out = 0;
  int64_t in = 0;     // even
  int64_t group = 0;  // divides in
  Tensor codes;       // u8 [out, in / 2]; column 2i in the low nibble of byte i
  Tensor scales;      // f32 [out, in / group]
  Tensor offsets;     // f32 [out, in / group]

  /// All codes, scales and offsets 0. @pre group divides in, in is even
  static Q4Matrix zeros(int64_t out, int64_t in, int64_t group);

  int64_t groups() const { return in / group; }

  int code(int64_t row, int64_t column) const;
  /// Puts a code where 0 stands. @pre 0 <= code < 16
  void set_code(int64_t row, int64_t column, unsigned code);

  size_t nbytes() const { return codes.nbytes() + scales.nbytes() + offsets.nbytes(); }
};

/// One row in float. @param target  `matrix.in` elements.
void dequantise_row(const Q4Matrix& matrix, int64_t row, std::span<float> target);

/// All of it: f32 [out, in].
Tensor dequantise(const Q4Matrix& matrix);

/// y = x W^T, the plain loop that faster kernels are compared with: x f32 [rows, in], y f32
/// [rows, out], each sum in double over the float weights in the order of the columns.
Tensor q4_matmul_reference(const Tensor& x, const Q4Matrix& matrix);

}  // namespace vila
