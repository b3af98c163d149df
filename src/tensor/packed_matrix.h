// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "tensor/q4_layout.h"
#include "tensor/tensor.h"

namespace vila {

class ThreadPool;

/// Weights [out, in] of a Linear as the int8 dot product kernels read them: unsigned codes of 4 or
/// 8 bits, one layout for all instruction sets, the same in memory and in a file (64-byte aligned).
///
///   w[n][k] = scale[n][g] * (code[n][k] - zero[n][g])      when !has_offsets
///   w[n][k] = scale[n][g] * code[n][k] + offset[n][g]      when  has_offsets       g = k / group
///
/// Rows are taken 16 together, the last tile padded with rows whose scale is 0. For each tile, and
/// in it for each group, there are
///
///   4 bit  group / 8 lines of 64 bytes. The low nibbles of a line hold four consecutive k of 16
///   rows
///          (byte 4r + i: row r, k0 + i), the high nibbles the next four k in the same way
///   8 bit  group / 4 lines of 64 bytes (byte 4r + i: row r, k0 + i), code = signed value + 128
///   both   then one line of 64 bytes: 16 scales, then 16 zero points or offsets, all f16.
///          8-bit codes have the zero point 128 and never has_offsets: kernels count on it
///
/// A tile's groups follow one another, tiles follow one another. docs/kernels.md draws it. A value;
/// copies share the memory.
struct PackedMatrix {
  static constexpr int64_t kTileRows = 16;
  static constexpr int64_t kLineBytes = 64;
  /// So that 255 * 127 * group, the largest sum of a group, stays below 2^31.
  static constexpr int64_t kMaxGroup = 1 << 16;

  int64_t out = 0;
  int64_t in = 0;
  int64_t group = 0;  // columns that share a scale: a multiple of 8 (4 bit) or 4 (8 bit)
  int bits = 4;       // 4 or 8
  bool has_offsets = false;
  /// 8-bit codes that all lie in [64, 192]: the products of two such weights fit 16 bits together,
  /// which CPUs without a dot product instruction take half again as fast. Where it is not known,
  /// false is right.
  bool is_narrow = false;
  Tensor data;  // u8 [bytes(out, in, group, bits)]

  /// Whether there is such a matrix: bits known, group of the right multiple and a divisor of `in`.
  static bool can_hold(int64_t out, int64_t in, int64_t group, int bits) noexcept;

  /// Size of `data`. @pre can_hold(out, in, group, bits)
  static int64_t bytes(int64_t out, int64_t in, int64_t group, int bits);

  bool defined() const noexcept { return data.defined(); }

  int64_t groups() const noexcept { return in / group; }

  int64_t tiles() const noexcept { return (out + kTileRows - 1) / kTileRows; }

  /// Bytes of the codes of one group of a tile; the line of scales follows them.
  int64_t code_bytes() const noexcept { return group * kTileRows * bits / 8; }

  int64_t tile_bytes() const noexcept { return groups() * (code_bytes() + kLineBytes); }

  size_t nbytes() const noexcept { return data.nbytes(); }

  // The plain reading of the layout, one element at a time; @pre in range.
  int code(int64_t row, int64_t column) const;
  float scale(int64_t row, int64_t g) const;
  /// The zero point or the offset.
  float shift(int64_t row, int64_t g) const;
};

/// The same codes in this layout. Offsets that are exactly -scale * z with an integer z in [0, 15]
/// everywhere, as all AWQ files but v2 have them, become zero points; others stay offsets. Scales
/// and offsets are rounded to f16: exactly where a file stored them so, within 2^-11 of themselves
/// for f32 sources (bf16 ones are exact from 2^-14 up, coarser below, where f16 has no more bits).
/// @param pool  splits the work; null: none.
/// @throws Error{invalid_model} when the group is no multiple of 8 or a scale or offset is not
/// finite
///   in f16.
PackedMatrix pack(const Q4Matrix& matrix, ThreadPool* pool = nullptr);

/// Rounds each group of each row to signed 8 bits: scale = absmax / 127, the next f16 upwards so
/// that nothing is clipped; code = w / scale rounded half to even.
/// @param weight  f32, f16 or bf16 [N, K].
/// @param group   columns that share a scale: a divisor of K, K itself for one scale a row.
/// @throws Error{invalid_model} when the group does not fit or a row is not finite in f16.
PackedMatrix quantise_rows_8bit(const Tensor& weight, int64_t group, ThreadPool* pool = nullptr);

/// The same to [-64, 64], so that the matrix is narrow: half the resolution (7 bits and a value).
PackedMatrix quantise_rows_narrow(const Tensor& weight, int64_t group, ThreadPool* pool = nullptr);

/// All of it: f32 [out, in], the plain reading of the layout that tests compare with.
Tensor dequantise(const PackedMatrix& matrix);

}  // namespace vila
