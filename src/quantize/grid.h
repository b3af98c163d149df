// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/thread_pool.h"
#include "tensor/q4_layout.h"
#include "tensor/tensor.h"

namespace vila::quantize {

/// How weights are rounded: an unsigned code of `bits` bits for each, a scale and a whole zero
/// point for each row and each `group` consecutive inputs.
struct GridOptions {
  int bits = 4;
  int64_t group = 128;
  DType arithmetic = DType::f32;  // what every intermediate is rounded to: f32, f16 or bf16

  /// The highest code: 15 for 4 bits.
  int levels() const { return (1 << bits) - 1; }

  /// Groups along a row of `in` inputs; the last may be short: it counts as padded with zeros.
  int64_t groups(int64_t in) const { return (in + group - 1) / group; }
};

/// The grid of one group: value = (code - zero) * scale.
struct Grid {
  float scale = 1;
  float zero = 0;
  float levels = 15;  // the highest code

  /// clamp(round_half_even(w / scale) + zero, 0, levels)
  float code(float w) const;

  float value(float w) const { return (code(w) - zero) * scale; }
};

/// The grid that spans a group from its least to its greatest weight:
///   scale = max(greatest - least, 1e-5) / levels,  zero = clamp(-rne(least / scale), 0, levels).
/// Zero is not forced into the range, so that a group of one sign saturates, as in the reference.
/// Evaluated in this order in f32: where both ends of a group were clipped, least / scale is 7.5 up
/// to the last bit and the order decides the zero point.
/// Source: pseudo_quantize_tensor of llm-awq (awq/quantize/quantizer.py).
Grid grid_of(std::span<const float> weights, const GridOptions& options);

/// A matrix [out, in] as codes and grids.
struct QuantisedMatrix {
  int64_t out = 0;
  int64_t in = 0;
  GridOptions options;
  Tensor codes;   // u8 [out, in]
  Tensor scales;  // f32 [out, groups]; values of `options.arithmetic`
  Tensor zeros;   // u8 [out, groups]

  int64_t groups() const { return options.groups(in); }

  /// All 0, to be filled.
  static QuantisedMatrix empty(int64_t out, int64_t in, const GridOptions& options);

  Grid grid(int64_t row, int64_t group) const;
};

/// Rounds to nearest, each group to its own grid (above); in f16 and bf16 every intermediate is
/// rounded to that type, as the reference does when it quantises a model of that type.
/// @param weight  f32 [out, in]. @throws Error{invalid_model} naming `name` when a weight is not
/// finite.
QuantisedMatrix quantise(const Tensor& weight, const GridOptions& options, ThreadPool& pool,
                         const std::string& name = {});

/// Replaces rows of f32 weights by the values of their codes, without keeping the codes: what the
/// searches try. @param row  `options.group` weights share a grid, the last group may be short.
void round_row(std::span<float> row, const GridOptions& options);

/// The values of the codes: f32 [out, in].
Tensor dequantise(const QuantisedMatrix& matrix);

/// The same in the layout that the engine and the writers of files share: 4 bits in whole groups.
/// The offset is -(scale * zero) in f32. @pre bits == 4, group divides in
Q4Matrix to_q4(const QuantisedMatrix& matrix);

/// Rows of 8-bit codes, symmetric: value = code * scale, scale = absmax / 127 (1 for a row of
/// zeros), code = rne(w / scale). What embeddings and output matrices are held as; the values as
/// f32 [out, in].
Tensor round_rows_8bit(const Tensor& weight);

/// Throws Error{invalid_model} naming `name` and the first weight that is not finite.
void check_finite(const Tensor& weight, const std::string& name);

}  // namespace vila::quantize
