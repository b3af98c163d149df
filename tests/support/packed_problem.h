// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "kernels/kernels.h"
#include "tensor/packed_matrix.h"

/// Random inputs of the products, and how a test calls gemm_packed(). For tests only.
namespace vila::kernels::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline size_t at(int64_t index) {
  return static_cast<size_t>(index);
}

inline Floats normal_values(int64_t count, uint64_t seed) {
  Random random(seed);
  Floats values(at(count));
  for (float& value : values)
    value = static_cast<float>(random.normal());
  return values;
}

/// What kind of weights: 4 bits with whole zero points, 4 bits with any offsets, 8 bits, narrow
/// ones (PackedMatrix::is_narrow).
enum class Kind { zero_points, offsets, bytes, narrow };

inline constexpr Kind kKinds[] = {Kind::zero_points, Kind::offsets, Kind::bytes, Kind::narrow};

/// Whether the group may be any multiple of 4.
inline bool is_8bit(Kind kind) {
  return kind == Kind::bytes || kind == Kind::narrow;
}

/// y [rows, columns] = x [rows, depth] by W, whose scales are one for each `group` of the depth.
struct Shape3 {
  int64_t rows;
  int64_t depth;
  int64_t columns;
  int64_t group;

  std::string text() const {
    return std::to_string(rows) + "x" + std::to_string(depth) + "x" + std::to_string(columns) +
           " by " + std::to_string(group);
  }
};

inline PackedMatrix random_weight(const Shape3& shape, Kind kind) {
  if (is_8bit(kind)) {
    const Floats values = normal_values(shape.columns * shape.depth, 5);
    const Tensor weight = Tensor::view(DType::f32, {shape.columns, shape.depth}, values.data());
    return kind == Kind::bytes ? quantise_rows_8bit(weight, shape.group)
                               : quantise_rows_narrow(weight, shape.group);
  }
  Random random(6);
  Q4Matrix matrix = Q4Matrix::zeros(shape.columns, shape.depth, shape.group);
  for (uint8_t& byte : matrix.codes.values<uint8_t>())
    byte = static_cast<uint8_t>(random.below(256));
  for (int64_t i = 0; i < matrix.scales.numel(); ++i) {
    const float scale = to_f32(to_f16(0.01F + 0.02F * static_cast<float>(random.uniform())));
    const float offset = -scale * static_cast<float>(random.below(16));
    matrix.scales.data<float>()[i] = scale;
    matrix.offsets.data<float>()[i] = kind == Kind::zero_points ? offset : offset - 0.001F;
  }
  return pack(matrix);
}

inline PackedWeights raw(const PackedMatrix& matrix) {
  return {.data = matrix.data.data<uint8_t>(),
          .depth = matrix.in,
          .group = matrix.group,
          .bits = matrix.bits,
          .has_offsets = matrix.has_offsets,
          .is_narrow = matrix.is_narrow};
}

/// Rows of x as quantise_rows() leaves them.
struct QuantisedRows {
  std::vector<int8_t> codes;
  Floats scales;
  Floats sums;
  int64_t panel;

  QuantisedRows(const CpuKernels& table, const Shape3& shape, const Floats& x)
      : codes(at(shape.rows * shape.depth + 1), 77),
        scales(at(shape.rows * shape.depth / shape.group + 1), -7.0F),
        sums(scales),
        panel(panel_rows(shape.rows, table.dot_rows)) {
    table.quantise_rows({.x = x.data(),
                         .x_stride = shape.depth,
                         .rows = shape.rows,
                         .depth = shape.depth,
                         .group = shape.group,
                         .panel_rows = panel,
                         .row_begin = 0,
                         .row_end = shape.rows,
                         .codes = codes.data(),
                         .scales = scales.data(),
                         .sums = sums.data()});
    EXPECT_EQ(codes.back(), 77) << "quantise_rows wrote past the codes";
    EXPECT_EQ(scales.back(), -7.0F) << "quantise_rows wrote past the scales";
    EXPECT_EQ(sums.back(), -7.0F) << "quantise_rows wrote past the sums";
  }
};

/// The whole product; rows of y are `columns` + 3 apart, to see writes past the end.
inline Floats run_packed(const CpuKernels& table, const Shape3& shape, const Floats& x,
                         const PackedMatrix& weight, const float* bias) {
  const QuantisedRows rows(table, shape, x);
  const int64_t stride = shape.columns + 3;
  Floats padded(at(shape.rows * stride), 99.0F);
  const PackedGemmArgs whole{.codes = rows.codes.data(),
                             .scales = rows.scales.data(),
                             .sums = rows.sums.data(),
                             .weight = raw(weight),
                             .bias = bias,
                             .y = padded.data(),
                             .y_stride = stride,
                             .rows = shape.rows,
                             .panel_rows = rows.panel,
                             .row_begin = 0,
                             .row_end = shape.rows,
                             .column_begin = 0,
                             .column_end = shape.columns};
  table.gemm_packed(whole);
  Floats y;
  for (int64_t m = 0; m < shape.rows; ++m) {
    const auto row = padded.begin() + m * stride;
    y.insert(y.end(), row, row + shape.columns);
    EXPECT_TRUE(std::all_of(row + shape.columns, row + stride, [](float v) { return v == 99.0F; }));
  }
  return y;
}

}  // namespace vila::kernels::test
