// SPDX-License-Identifier: Apache-2.0
#include "quantize/grid.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace vila::quantize {
namespace {

// The least range of a group, so that a constant one has a scale.
constexpr float kLeastRange = 1e-5F;
constexpr int64_t kRowsPerTask = 8;

// Round half to even without a library call: 1.5 * 2^23 has no bits for fractions. Beyond 2^22 the
// result is off by little and clamped by every caller.
float round_even(float value) {
  constexpr float kShift = 12582912.0F;
  return (value + kShift) - kShift;
}

float rounded_to(DType dtype, float value) {
  if (dtype == DType::f16) return to_f32(to_f16(value));
  return dtype == DType::bf16 ? to_f32(to_bf16(value)) : value;
}

struct Range {
  float least;
  float greatest;
};

// A short group counts as padded with zeros.
Range range_of(std::span<const float> weights, int64_t group) {
  const bool is_padded = static_cast<int64_t>(weights.size()) < group;
  Range range{is_padded ? 0.0F : weights[0], is_padded ? 0.0F : weights[0]};
  for (const float w : weights) {
    range.least = std::min(range.least, w);
    range.greatest = std::max(range.greatest, w);
  }
  return range;
}

// grid_of() where each step is rounded to a 16-bit type.
Grid coarse_grid(const Range& range, const GridOptions& options) {
  const auto round = [&](float value) { return rounded_to(options.arithmetic, value); };
  const auto levels = static_cast<float>(options.levels());
  const float span = std::max(round(range.greatest - range.least), round(kLeastRange));
  const float scale = round(span / levels);
  const float zero = std::clamp(-round_even(round(range.least / scale)), 0.0F, levels);
  return {scale, zero, levels};
}

float coarse_code(const Grid& grid, float w, DType arithmetic) {
  const float steps = rounded_to(arithmetic, w / grid.scale);
  const float code = rounded_to(arithmetic, round_even(steps) + grid.zero);
  return std::clamp(code, 0.0F, grid.levels);
}

std::span<const float> group_of(std::span<const float> row, int64_t g, int64_t group) {
  const auto begin = static_cast<size_t>(g * group);
  return row.subspan(begin, std::min(static_cast<size_t>(group), row.size() - begin));
}

void quantise_row(QuantisedMatrix& matrix, int64_t n, std::span<const float> row) {
  const GridOptions& options = matrix.options;
  const bool is_coarse = options.arithmetic != DType::f32;
  uint8_t* codes = matrix.codes.data<uint8_t>() + n * matrix.in;
  for (int64_t g = 0; g < matrix.groups(); ++g) {
    const std::span<const float> weights = group_of(row, g, options.group);
    const Grid grid = grid_of(weights, options);
    matrix.scales.data<float>()[n * matrix.groups() + g] = grid.scale;
    matrix.zeros.data<uint8_t>()[n * matrix.groups() + g] = static_cast<uint8_t>(grid.zero);
    for (const float w : weights) {
      *codes++ =
          static_cast<uint8_t>(is_coarse ? coarse_code(grid, w, options.arithmetic) : grid.code(w));
    }
  }
}

}  // namespace

float Grid::code(float w) const {
  return std::clamp(round_even(w / scale) + zero, 0.0F, levels);
}

Grid grid_of(std::span<const float> weights, const GridOptions& options) {
  const Range range = range_of(weights, options.group);
  if (options.arithmetic != DType::f32) return coarse_grid(range, options);
  const auto levels = static_cast<float>(options.levels());
  const float scale = std::max(range.greatest - range.least, kLeastRange) / levels;
  return {scale, std::clamp(-round_even(range.least / scale), 0.0F, levels), levels};
}

QuantisedMatrix QuantisedMatrix::empty(int64_t out, int64_t in, const GridOptions& options) {
  VILA_CHECK(options.bits >= 1 && options.bits <= 8 && options.group > 0, "{} bits by {}",
             options.bits, options.group);
  return {.out = out,
          .in = in,
          .options = options,
          .codes = Tensor::zeros(DType::u8, {out, in}),
          .scales = Tensor::zeros(DType::f32, {out, options.groups(in)}),
          .zeros = Tensor::zeros(DType::u8, {out, options.groups(in)})};
}

Grid QuantisedMatrix::grid(int64_t row, int64_t group) const {
  const int64_t at = row * groups() + group;
  return {scales.data<float>()[at], static_cast<float>(zeros.data<uint8_t>()[at]),
          static_cast<float>(options.levels())};
}

QuantisedMatrix quantise(const Tensor& weight, const GridOptions& options, ThreadPool& pool,
                         const std::string& name) {
  VILA_CHECK(weight.rank() == 2 && weight.dtype() == DType::f32, "{}", weight.text());
  check_finite(weight, name);
  QuantisedMatrix matrix = QuantisedMatrix::empty(weight.dim(0), weight.dim(1), options);
  pool.parallel_for(matrix.out, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      quantise_row(matrix, n, weight.rows(n, n + 1).values<float>());
  });
  return matrix;
}

void round_row(std::span<float> row, const GridOptions& options) {
  const auto group = static_cast<size_t>(options.group);
  for (size_t begin = 0; begin < row.size(); begin += group) {
    const std::span<float> weights = row.subspan(begin, std::min(group, row.size() - begin));
    const Grid grid = grid_of(weights, options);
    for (float& w : weights)
      w = grid.value(w);
  }
}

Tensor dequantise(const QuantisedMatrix& matrix) {
  Tensor weight = Tensor::empty(DType::f32, {matrix.out, matrix.in});
  const uint8_t* code = matrix.codes.data<uint8_t>();
  float* target = weight.data<float>();
  for (int64_t n = 0; n < matrix.out; ++n) {
    for (int64_t k = 0; k < matrix.in; ++k) {
      const Grid grid = matrix.grid(n, k / matrix.options.group);
      *target++ = (static_cast<float>(*code++) - grid.zero) * grid.scale;
    }
  }
  return weight;
}

Q4Matrix to_q4(const QuantisedMatrix& matrix) {
  VILA_CHECK(matrix.options.bits == 4, "{} bits", matrix.options.bits);
  Q4Matrix packed = Q4Matrix::zeros(matrix.out, matrix.in, matrix.options.group);
  const uint8_t* code = matrix.codes.data<uint8_t>();
  for (int64_t n = 0; n < matrix.out; ++n) {
    for (int64_t k = 0; k < matrix.in; ++k)
      packed.set_code(n, k, *code++);
  }
  std::memcpy(packed.scales.raw(), matrix.scales.raw(), matrix.scales.nbytes());
  for (int64_t i = 0; i < matrix.scales.numel(); ++i) {
    const auto zero = static_cast<float>(matrix.zeros.data<uint8_t>()[i]);
    packed.offsets.data<float>()[i] = -(matrix.scales.data<float>()[i] * zero);
  }
  return packed;
}

Tensor round_rows_8bit(const Tensor& weight) {
  Tensor rounded = weight.to(DType::f32);
  for (int64_t n = 0; n < rounded.dim(0); ++n) {
    const std::span<float> row = rounded.rows(n, n + 1).values<float>();
    float largest = 0;
    for (const float w : row)
      largest = std::max(largest, std::abs(w));
    const float scale = largest > 0 ? largest / 127.0F : 1.0F;
    for (float& w : row)
      w = round_even(w / scale) * scale;
  }
  return rounded;
}

void check_finite(const Tensor& weight, const std::string& name) {
  const std::span<const float> values = weight.values<float>();
  const auto found = std::ranges::find_if(values, [](float w) { return !std::isfinite(w); });
  if (found == values.end()) return;
  const int64_t at = found - values.begin();
  const int64_t width = std::max<int64_t>(weight.dim(-1), 1);
  fail(ErrorCode::invalid_model, "\"{}\": expected finite weights, found {} at row {}, column {}",
       name, *found, at / width, at % width);
}

}  // namespace vila::quantize
