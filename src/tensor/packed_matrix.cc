// SPDX-License-Identifier: Apache-2.0
#include "tensor/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace vila {
namespace {

constexpr int64_t kRows = PackedMatrix::kTileRows;
constexpr int kHighestCode = 15;

/// Throws Error{invalid_model} when no PackedMatrix has these extents.
PackedMatrix allocate(const PackedMatrix& shape) {
  if (!PackedMatrix::can_hold(shape.out, shape.in, shape.group, shape.bits)) {
    fail(ErrorCode::invalid_model,
         "{}-bit matrix [{}, {}]: expected groups of a multiple of {} columns, at most {}, that "
         "divide a row, found {}; quantise the checkpoint again with groups of 32, 64 or 128",
         shape.bits, shape.out, shape.in, shape.bits == 4 ? 8 : 4, PackedMatrix::kMaxGroup,
         shape.group);
  }
  PackedMatrix result = shape;
  const int64_t bytes = PackedMatrix::bytes(shape.out, shape.in, shape.group, shape.bits);
  result.data = Tensor::zeros(DType::u8, {bytes});
  return result;
}

/// Calls body(tile) for every tile, on the pool if there is one.
template <typename Body>
void for_each_tile(const PackedMatrix& matrix, ThreadPool* pool, const Body& body) {
  const auto range = [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile)
      body(tile);
  };
  if (pool == nullptr) {
    range(0, matrix.tiles());
  } else {
    pool->parallel_for(matrix.tiles(), 4, range);
  }
}

/// Where the codes of a group of a tile begin.
uint8_t* codes_at(const PackedMatrix& matrix, int64_t tile, int64_t g) {
  const int64_t group_bytes = matrix.code_bytes() + PackedMatrix::kLineBytes;
  return matrix.data.data<uint8_t>() + tile * matrix.tile_bytes() + g * group_bytes;
}

/// The line of 16 scales and 16 zero points or offsets.
f16* scales_at(const PackedMatrix& matrix, int64_t tile, int64_t g) {
  return reinterpret_cast<f16*>(codes_at(matrix, tile, g) + matrix.code_bytes());
}

f16 finite_f16(float value, const char* what, int64_t row, int64_t g) {
  const f16 half = to_f16(value);
  if (!std::isfinite(to_f32(half))) {
    fail(ErrorCode::invalid_model,
         "row {}, group {}: expected a {} that half precision holds (at most 65504), found {}", row,
         g, what, value);
  }
  return half;
}

/// z where offset is exactly -scale * z for an integer z that a 4-bit code can have; -1 otherwise.
float zero_point(float scale, float offset) {
  if (offset == 0.0F) return 0.0F;
  const float z = std::nearbyint(-offset / scale);
  return z >= 0.0F && z <= kHighestCode && -z * scale == offset ? z : -1.0F;
}

bool has_zero_points(const Q4Matrix& matrix) {
  const auto scales = matrix.scales.values<float>();
  const auto offsets = matrix.offsets.values<float>();
  return std::equal(scales.begin(), scales.end(), offsets.begin(),
                    [](float scale, float offset) { return zero_point(scale, offset) >= 0.0F; });
}

/// Eight codes of a row from four bytes of a Q4Matrix (column 2i in the low nibble of byte i) to
/// four bytes of a line (columns i and i + 4 in the nibbles of byte i).
void place_codes(const uint8_t* source, uint8_t* target) {
  const auto byte = [](int low, int high) { return static_cast<uint8_t>(low | high << 4); };
  target[0] = byte(source[0] & 15, source[2] & 15);
  target[1] = byte(source[0] >> 4, source[2] >> 4);
  target[2] = byte(source[1] & 15, source[3] & 15);
  target[3] = byte(source[1] >> 4, source[3] >> 4);
}

/// One row of a tile from a Q4Matrix.
void pack_row(const Q4Matrix& matrix, int64_t row, const PackedMatrix& target) {
  const uint8_t* source = matrix.codes.data<uint8_t>() + row * (matrix.in / 2);
  const float* scales = matrix.scales.data<float>() + row * matrix.groups();
  const float* offsets = matrix.offsets.data<float>() + row * matrix.groups();
  const int64_t tile = row / kRows;
  const int64_t r = row % kRows;
  for (int64_t g = 0; g < matrix.groups(); ++g) {
    uint8_t* codes = codes_at(target, tile, g) + 4 * r;
    for (int64_t k = 0; k < matrix.group; k += 8, source += 4, codes += PackedMatrix::kLineBytes)
      place_codes(source, codes);
    f16* line = scales_at(target, tile, g);
    line[r] = finite_f16(scales[g], "scale", row, g);
    line[kRows + r] = target.has_offsets ? finite_f16(offsets[g], "offset", row, g)
                                         : to_f16(zero_point(scales[g], offsets[g]));
  }
}

/// The least f16 that is not below `value` >= 0.
f16 f16_at_least(float value) {
  f16 half = to_f16(value);
  if (to_f32(half) < value) ++half.bits;  // the next one, infinity after the last
  return half;
}

/// One row of a tile from float weights; the largest of a group becomes `most_code`.
void quantise_row(std::span<const float> weights, int64_t row, float most_code,
                  const PackedMatrix& target) {
  const int64_t tile = row / kRows;
  const int64_t r = row % kRows;
  for (int64_t g = 0; g < target.groups(); ++g) {
    const auto group =
        weights.subspan(static_cast<size_t>(g * target.group), static_cast<size_t>(target.group));
    float most = 0;
    for (const float w : group)
      most = std::isnan(w) ? w : std::max(most, std::abs(w));  // NaN stays: max(NaN, x) is NaN
    const f16 scale = finite_f16(to_f32(f16_at_least(most / most_code)), "scale", row, g);
    const float step = to_f32(scale);
    uint8_t* codes = codes_at(target, tile, g) + 4 * r;
    for (int64_t k = 0; k < target.group; ++k) {
      const float w = group[static_cast<size_t>(k)];
      const int code = step == 0.0F ? 0 : static_cast<int>(std::nearbyint(w / step));
      codes[k / 4 * PackedMatrix::kLineBytes + k % 4] = static_cast<uint8_t>(code + 128);
    }
    f16* line = scales_at(target, tile, g);
    line[r] = scale;
    line[kRows + r] = to_f16(128.0F);
  }
}

/// All rows; `kind` says what the matrix is but for its shape.
PackedMatrix quantise_rows(const Tensor& weight, PackedMatrix kind, float most_code,
                           ThreadPool* pool) {
  VILA_CHECK(weight.rank() == 2 && is_weight_dtype(weight.dtype()), "weight is {}", weight.text());
  kind.out = weight.dim(0);
  kind.in = weight.dim(1);
  const PackedMatrix target = allocate(kind);
  for_each_tile(target, pool, [&](int64_t tile) {
    const int64_t begin = tile * kRows;
    const int64_t end = std::min(begin + kRows, target.out);
    const Tensor rows = weight.rows(begin, end).to(DType::f32);
    for (int64_t row = begin; row < end; ++row) {
      quantise_row(rows.rows(row - begin, row - begin + 1).values<float>(), row, most_code, target);
    }
  });
  return target;
}

}  // namespace

bool PackedMatrix::can_hold(int64_t out, int64_t in, int64_t group, int bits) noexcept {
  if (bits != 4 && bits != 8) return false;
  if (out < 0 || in <= 0 || group <= 0 || group > kMaxGroup) return false;
  return group % (32 / bits) == 0 && in % group == 0;
}

int64_t PackedMatrix::bytes(int64_t out, int64_t in, int64_t group, int bits) {
  VILA_CHECK(can_hold(out, in, group, bits), "[{}, {}] by {}, {} bit", out, in, group, bits);
  const PackedMatrix shape{.out = out, .in = in, .group = group, .bits = bits, .data = {}};
  return shape.tiles() * shape.tile_bytes();
}

int PackedMatrix::code(int64_t row, int64_t column) const {
  const uint8_t* codes = codes_at(*this, row / kTileRows, column / group);
  const int64_t k = column % group;
  const int64_t place = 4 * (row % kTileRows) + k % 4;
  if (bits == 8) return codes[k / 4 * kLineBytes + place];
  const uint8_t byte = codes[k / 8 * kLineBytes + place];
  return k % 8 < 4 ? byte & 15 : byte >> 4;
}

float PackedMatrix::scale(int64_t row, int64_t g) const {
  return to_f32(scales_at(*this, row / kTileRows, g)[row % kTileRows]);
}

float PackedMatrix::shift(int64_t row, int64_t g) const {
  return to_f32(scales_at(*this, row / kTileRows, g)[kTileRows + row % kTileRows]);
}

PackedMatrix pack(const Q4Matrix& matrix, ThreadPool* pool) {
  const PackedMatrix target = allocate({.out = matrix.out,
                                        .in = matrix.in,
                                        .group = matrix.group,
                                        .bits = 4,
                                        .has_offsets = !has_zero_points(matrix),
                                        .data = {}});
  for_each_tile(target, pool, [&](int64_t tile) {
    const int64_t end = std::min((tile + 1) * kRows, matrix.out);
    for (int64_t row = tile * kRows; row < end; ++row)
      pack_row(matrix, row, target);
  });
  return target;
}

PackedMatrix quantise_rows_8bit(const Tensor& weight, int64_t group, ThreadPool* pool) {
  return quantise_rows(weight, {.group = group, .bits = 8, .data = {}}, 127.0F, pool);
}

PackedMatrix quantise_rows_narrow(const Tensor& weight, int64_t group, ThreadPool* pool) {
  return quantise_rows(weight, {.group = group, .bits = 8, .is_narrow = true, .data = {}}, 64.0F,
                       pool);
}

Tensor dequantise(const PackedMatrix& matrix) {
  Tensor weight = Tensor::empty(DType::f32, {matrix.out, matrix.in});
  float* target = weight.data<float>();
  for (int64_t n = 0; n < matrix.out; ++n) {
    for (int64_t k = 0; k < matrix.in; ++k) {
      const int64_t g = k / matrix.group;
      const float scale = matrix.scale(n, g);
      const auto code = static_cast<float>(matrix.code(n, k));
      *target++ = matrix.has_offsets ? scale * code + matrix.shift(n, g)
                                     : scale * (code - matrix.shift(n, g));
    }
  }
  return weight;
}

}  // namespace vila
