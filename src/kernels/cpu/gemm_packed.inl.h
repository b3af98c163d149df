// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm.inl.h"
#include "kernels/kernels.h"

/// Products of quantised rows and packed weights: the inner product is exact in 32 bits, floats
/// come in once a group. docs/kernels.md draws the layouts.
namespace vila::kernels {
namespace {

using isa::Codes;
using isa::F32;
using isa::kLanes;
using isa::Partial;
using isa::Quad;
using isa::Sums;

inline constexpr int64_t kPackedRows = 16;  // rows of W in a tile
inline constexpr int64_t kLineBytes = 64;
inline constexpr int kTileLanes = static_cast<int>(kPackedRows / kLanes);  // vectors in a tile
// How far ahead, in bytes, codes are asked for where they come from memory.
inline constexpr int64_t kCodesAhead = 4096;
// Codes split once for all rows of x; they share L1 with a panel of x.
inline constexpr int64_t kSplitBytes = 12 << 10;

/// How a tile reads codes. A line of 64 bytes holds two parts of 4 bits (4-bit codes: two steps of
/// k; 8-bit codes as nibbles: two planes of one step), packed or split before into two lines; or 8
/// bits.
template <int kStepsOfLine, int kPlanesOfCode, bool kIsSplit>
struct Source {
  static constexpr int kSteps = kStepsOfLine;
  static constexpr int kPlanes = kPlanesOfCode;
  static constexpr int kParts = kSteps * kPlanes;
  static constexpr int64_t kStride = kIsSplit ? kParts * kLineBytes : kLineBytes;
  static constexpr bool kIsBytes = kSteps == 1;
  static constexpr int64_t kLinesOfPartial = isa::kPartialSteps / kSteps;

  /// The parts of kLanes rows.
  static void load(const uint8_t* line, Codes (&part)[kParts]) {
    part[0] = isa::load_codes(line);
    if constexpr (kParts == 2 && kIsSplit) {
      part[1] = isa::load_codes(line + kLineBytes);
    } else if constexpr (kParts == 2) {
      part[1] = isa::high_nibbles(part[0]);
      part[0] = isa::low_nibbles(part[0]);
    }
  }

  static void prefetch(const uint8_t* line) {
    if constexpr (!kIsSplit) __builtin_prefetch(line + kCodesAhead);
  }
};

using Nibbles = Source<2, 1, false>;
using SplitNibbles = Source<2, 1, true>;
using Bytes = Source<1, isa::kBytePlanes, false>;
using SplitBytes = Source<1, isa::kBytePlanes, isa::kBytePlanes == 2>;

/// One panel of x times 16 rows of W over some groups.
struct DotTile {
  const uint8_t* codes;  // the first group, in place or split
  int64_t lines;         // of codes in a group, as packed
  int64_t groups;
  bool has_offsets;
  const int8_t* x;        // the panel at the first group
  const float* x_scales;  // likewise, kRows a group
  const float* x_sums;
  const float* start;
  int64_t start_stride;  // 0: one row for all
  float* y;
  int64_t y_stride;
  int64_t columns;  // that start and y have, 1 to 16
};

/// How many vectors of W a tile takes at once, so that its partial sums stay in registers: the
/// largest power of two (as 16 rows are) that kDotSums allows.
constexpr int dot_vectors(int sums_of_vector) {
  int vectors = 1;
  while (2 * vectors <= kTileLanes && 2 * vectors * sums_of_vector <= isa::kDotSums)
    vectors *= 2;
  return vectors;
}

template <typename From, int kRows>
struct Dots {
  static constexpr int kVectors = dot_vectors(From::kPlanes * kRows);
  static constexpr int kParts = From::kParts;

  using AllPartials = Partial[From::kPlanes][kRows][kVectors];
  using AllSums = Sums[From::kPlanes][kRows][kVectors];

  /// One line of codes times its four or eight activations of each row.
  static void add_line(const uint8_t* line, const int8_t* x, AllPartials& sum) {
    Codes part[kVectors][kParts];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      From::load(line + v * 4 * kLanes, part[v]);
#pragma GCC unroll 2
    for (int step = 0; step < From::kSteps; ++step) {
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const Quad quad = isa::broadcast(x + 4 * (step * kRows + m));
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 2
          for (int plane = 0; plane < From::kPlanes; ++plane) {
            sum[plane][m][v] =
                isa::accumulate(sum[plane][m][v], part[v][step * From::kPlanes + plane], quad);
          }
        }
      }
    }
  }

  /// total += up to kLinesOfPartial lines.
  static void add_lines(const uint8_t* codes, int64_t lines, const int8_t* x, AllSums& total) {
    AllPartials sum;
#pragma GCC unroll 2
    for (int plane = 0; plane < From::kPlanes; ++plane) {
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v)
          sum[plane][m][v] = isa::no_partial();
      }
    }
    for (int64_t line = 0; line < lines; ++line) {
      From::prefetch(codes);
      add_line(codes, x, sum);
      codes += From::kStride;
      x += 4 * From::kSteps * kRows;
    }
#pragma GCC unroll 2
    for (int plane = 0; plane < From::kPlanes; ++plane) {
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v)
          total[plane][m][v] = isa::gather(total[plane][m][v], sum[plane][m][v]);
      }
    }
  }

  static void add_group(const uint8_t* codes, int64_t lines, const int8_t* x, AllSums& total) {
#pragma GCC unroll 2
    for (int plane = 0; plane < From::kPlanes; ++plane) {
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v)
          total[plane][m][v] = isa::no_sums();
      }
    }
    for (int64_t line = 0; line < lines; line += From::kLinesOfPartial) {
      add_lines(codes + line * From::kStride, least(From::kLinesOfPartial, lines - line),
                x + line * 4 * From::kSteps * kRows, total);
    }
  }

  /// What one group of one vector of rows adds, before the scale of x.
  static F32 weighted(const Sums& sums, F32 scale, F32 shift, float x_sum, bool has_offsets) {
    if constexpr (From::kIsBytes) {
      return isa::mul(scale, isa::to_float(isa::without_byte_zero(sums, x_sum)));
    } else {
      const F32 dot = isa::to_float(sums);
      if (has_offsets) return isa::fma(shift, isa::set(x_sum), isa::mul(scale, dot));
      return isa::mul(scale, isa::fnma(shift, isa::set(x_sum), dot));
    }
  }

  /// y += the group, whose line of scales (from the first vector on) and scales of x are given.
  static void scale_group(const DotTile& t, int64_t g, const f16* scales, const AllSums& sums,
                          F32 (&y)[kRows][kVectors]) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const F32 scale = isa::widen(scales + v * kLanes);
      const F32 shift = isa::widen(scales + kPackedRows + v * kLanes);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        Sums sum = sums[0][m][v];
        if constexpr (From::kPlanes == 2) sum = isa::join_planes(sum, sums[1][m][v]);
        const F32 term = weighted(sum, scale, shift, t.x_sums[g * kRows + m], t.has_offsets);
        y[m][v] = isa::fma(isa::set(t.x_scales[g * kRows + m]), term, y[m][v]);
      }
    }
  }

  /// kVectors vectors of rows, from number `first` of the tile on.
  static void run_vectors(const DotTile& t, int first) {
    F32 y[kRows][kVectors];
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        y[m][v] = load_columns(t.start + m * t.start_stride, t.columns, first + v);
    }
    const uint8_t* group = t.codes;
    const int8_t* x = t.x;
    for (int64_t g = 0; g < t.groups; ++g) {
      AllSums sums;
      add_group(group + first * 4 * kLanes, t.lines, x, sums);
      group += t.lines * From::kStride;
      scale_group(t, g, reinterpret_cast<const f16*>(group) + first * kLanes, sums, y);
      group += kLineBytes;
      x += t.lines * 4 * From::kSteps * kRows;
    }
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        store_columns(t.y + m * t.y_stride, t.columns, first + v, y[m][v]);
    }
  }

  static void run(const DotTile& t) {
    for (int first = 0; first < kTileLanes; first += kVectors)
      run_vectors(t, first);
  }
};

using RunDots = void (*)(const DotTile&);

/// Dots<From>::run for 1 to kDotRows rows, by number.
template <typename From, int kCount, int... kIndices>
struct DotTable : DotTable<From, kCount - 1, kCount - 1, kIndices...> {};

template <typename From, int... kIndices>
struct DotTable<From, 0, kIndices...> {
  static constexpr RunDots kEntries[] = {Dots<From, kIndices + 1>::run...};
};

/// Groups [group, group + groups) of one tile, where their codes are to be read.
struct DotBlock {
  int64_t column;  // the tile's first
  int64_t group;
  int64_t groups;
  const uint8_t* codes;
};

/// All rows of the call times one block.
template <typename From>
void multiply_dots(const PackedGemmArgs& args, const DotBlock& block) {
  alignas(64) static constexpr float kNoBias[kPackedRows] = {};
  const PackedWeights& w = args.weight;
  const int64_t groups = w.depth / w.group;
  const bool is_first = block.group == 0;
  for (int64_t row = args.row_begin; row < args.row_end; row += args.panel_rows) {
    const int64_t rows = least(args.panel_rows, args.rows - row);
    float* y = args.y + row * args.y_stride + block.column;
    const float* bias = args.bias == nullptr ? kNoBias : args.bias + block.column;
    const int64_t first = row * groups + block.group * rows;
    DotTable<From, isa::kDotRows>::kEntries[rows - 1](
        {.codes = block.codes,
         .lines = w.group * w.bits * kPackedRows / (8 * kLineBytes),
         .groups = block.groups,
         .has_offsets = w.has_offsets,
         .x = args.codes + row * w.depth + block.group * w.group * rows,
         .x_scales = args.scales + first,
         .x_sums = args.sums + first,
         .start = is_first ? bias : y,
         .start_stride = is_first ? 0 : args.y_stride,
         .y = y,
         .y_stride = args.y_stride,
         .columns = least(kPackedRows, args.column_end - block.column)});
  }
}

/// Parts of each packed line into a line of their own, group by group; scales are copied.
inline void split_lines(const uint8_t* packed, int64_t lines, int64_t groups, uint8_t* split) {
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t line = 0; line < lines; ++line) {
      __builtin_prefetch(packed + kCodesAhead);
      for (int v = 0; v < kTileLanes; ++v) {
        const Codes codes = isa::load_codes(packed + v * 4 * kLanes);
        isa::store_codes(split + v * 4 * kLanes, isa::low_nibbles(codes));
        isa::store_codes(split + kLineBytes + v * 4 * kLanes, isa::high_nibbles(codes));
      }
      packed += kLineBytes;
      split += 2 * kLineBytes;
    }
    __builtin_memcpy(split, packed, kLineBytes);
    packed += kLineBytes;
    split += kLineBytes;
  }
}

/// Few rows read codes in place, over the whole depth. Many rows take a block of groups at a time,
/// whose part of x stays near the core while the tiles go by, and whose codes are split once for
/// all.
template <typename InPlace, typename Split>
void multiply_packed(const PackedGemmArgs& args) {
  alignas(64) uint8_t split[kSplitBytes];
  const PackedWeights& w = args.weight;
  const int64_t groups = w.depth / w.group;
  const int64_t lines = w.group * w.bits * kPackedRows / (8 * kLineBytes);
  const int64_t group_bytes = (lines + 1) * kLineBytes;
  const int64_t fitting = kSplitBytes / (lines * Split::kStride + kLineBytes);
  const bool is_many = args.row_end - args.row_begin > args.panel_rows;
  const bool is_split = is_many && fitting > 0 && Split::kStride > kLineBytes;
  const int64_t step = !is_many ? groups : fitting > 0 ? fitting : 1;
  for (int64_t g = 0; g < groups; g += step) {
    for (int64_t n = args.column_begin; n < args.column_end; n += kPackedRows) {
      const uint8_t* codes = w.data + (n / kPackedRows * groups + g) * group_bytes;
      DotBlock block{n, g, least(step, groups - g), codes};
      if (is_split) {
        split_lines(codes, lines, block.groups, split);
        block.codes = split;
        multiply_dots<Split>(args, block);
      } else {
        multiply_dots<InPlace>(args, block);
      }
    }
  }
}

void gemm_packed(const PackedGemmArgs& args) noexcept {
  if (args.row_begin >= args.row_end) return;
  if (args.weight.bits == 4) {
    multiply_packed<Nibbles, SplitNibbles>(args);
  } else {
    multiply_packed<Bytes, SplitBytes>(args);
  }
}

}  // namespace
}  // namespace vila::kernels
