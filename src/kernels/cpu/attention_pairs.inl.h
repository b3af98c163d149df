// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm.inl.h"

/// Words of two bf16 for the tiles of attention, on tables that multiply both at once. What moves
/// and transposes floats moves such words as well: they lie in floats.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

/// Rows one behind the other.
struct Matrix {
  float* x;
  int64_t rows;
  int64_t width;
};

/// Whether the table has the products of pairs.
template <typename Value>
concept MultipliesPairs = requires(Value a, Value b, Value sum) {
  multiply_pairs(a, b, sum);  // of namespace isa
};

/// Value is F32.
template <typename Value>
struct Pairs {
  static constexpr int64_t kSteps = 2;

  struct Step {
    static Value add(Value sum, Value a, Value b) { return multiply_pairs(a, b, sum); }
  };

  /// x [rows][width] becomes [rows][width / 2], two neighbours in a word, in place; width is even.
  static void join_neighbours(const Matrix& m) {
    const float* from = m.x;
    float* to = m.x;
    for (int64_t row = 0; row < m.rows; ++row, from += m.width, to += m.width / 2) {
      for (int64_t i = 0; i < m.width; i += 2 * kLanes) {
        const int64_t left = m.width - i;
        const Value low = load_columns(from + i, left, 0);
        const Value high = load_columns(from + i, left, 1);
        isa::store_partial(to + i / 2, least(left / 2, kLanes), pair_neighbours(low, high));
      }
    }
  }

  /// x [rows][width] becomes [rows / 2, rounded up][width], two rows in a word, in place; behind an
  /// odd last row stand zeros.
  static void join_rows(const Matrix& m) {
    for (int64_t row = 0; row < m.rows; row += 2) {
      const float* first = m.x + row * m.width;
      float* to = m.x + row / 2 * m.width;
      for (int64_t i = 0; i < m.width; i += kLanes) {
        const int64_t left = m.width - i;
        const Value upper = load_columns(first + i, left, 0);
        const Value lower =
            row + 1 < m.rows ? load_columns(first + m.width + i, left, 0) : isa::zero();
        isa::store_partial(to + i, least(left, kLanes), pair_lanes(upper, lower));
      }
    }
  }
};

}  // namespace
}  // namespace vila::kernels
