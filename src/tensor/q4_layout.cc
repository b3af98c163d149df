// SPDX-License-Identifier: Apache-2.0
#include "tensor/q4_layout.h"

#include <vector>

#include "base/error.h"

namespace vila {

Q4Matrix Q4Matrix::zeros(int64_t out, int64_t in, int64_t group) {
  VILA_CHECK(out >= 0 && in > 0 && in % 2 == 0 && group > 0 && in % group == 0, "{}x{} by {}", out,
             in, group);
  return {.out = out,
          .in = in,
          .group = group,
          .codes = Tensor::zeros(DType::u8, {out, in / 2}),
          .scales = Tensor::zeros(DType::f32, {out, in / group}),
          .offsets = Tensor::zeros(DType::f32, {out, in / group})};
}

int Q4Matrix::code(int64_t row, int64_t column) const {
  const int byte = codes.data<uint8_t>()[row * (in / 2) + column / 2];
  return column % 2 == 0 ? byte & 15 : byte >> 4;
}

void Q4Matrix::set_code(int64_t row, int64_t column, unsigned code) {
  uint8_t& byte = codes.data<uint8_t>()[row * (in / 2) + column / 2];
  byte = static_cast<uint8_t>(byte | code << (column % 2 == 0 ? 0 : 4));
}

void dequantise_row(const Q4Matrix& matrix, int64_t row, std::span<float> target) {
  VILA_CHECK(static_cast<int64_t>(target.size()) == matrix.in, "{} of {}", target.size(),
             matrix.in);
  const uint8_t* codes = matrix.codes.data<uint8_t>() + row * (matrix.in / 2);
  const float* scales = matrix.scales.data<float>() + row * matrix.groups();
  const float* offsets = matrix.offsets.data<float>() + row * matrix.groups();
  for (int64_t k = 0; k < matrix.in; ++k) {
    const int code = k % 2 == 0 ? codes[k / 2] & 15 : codes[k / 2] >> 4;
    const int64_t g = k / matrix.group;
    target[static_cast<size_t>(k)] = static_cast<float>(code) * scales[g] + offsets[g];
  }
}

Tensor dequantise(const Q4Matrix& matrix) {
  Tensor weight = Tensor::empty(DType::f32, {matrix.out, matrix.in});
  for (int64_t n = 0; n < matrix.out; ++n)
    dequantise_row(matrix, n, weight.rows(n, n + 1).values<float>());
  return weight;
}

Tensor q4_matmul_reference(const Tensor& x, const Q4Matrix& matrix) {
  VILA_CHECK(x.rank() == 2 && x.dim(1) == matrix.in, "{} by [{}, {}]", x.text(), matrix.out,
             matrix.in);
  Tensor y = Tensor::empty(DType::f32, {x.dim(0), matrix.out});
  std::vector<float> row(static_cast<size_t>(matrix.in));
  for (int64_t n = 0; n < matrix.out; ++n) {
    dequantise_row(matrix, n, row);
    for (int64_t m = 0; m < x.dim(0); ++m) {
      const float* input = x.data<float>() + m * matrix.in;
      double sum = 0;
      for (int64_t k = 0; k < matrix.in; ++k)
        sum += double{input[k]} * double{row[static_cast<size_t>(k)]};
      y.data<float>()[m * matrix.out + n] = static_cast<float>(sum);
    }
  }
  return y;
}

}  // namespace vila
