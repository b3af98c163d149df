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
inline constexpr int64_t kCodesAhead = 2048;
// Codes split once for all rows of x; they share L1 with a panel of x.
inline constexpr int64_t kSplitBytes = 12 << 10;
// The same of narrow bytes, which are multiplied a whole group at a time.
inline constexpr int64_t kNarrowBytes = 20 << 10;
inline constexpr int64_t kMaxNarrowGroup = (kNarrowBytes - kLineBytes) / kPackedRows;
// What narrow bytes are lowered by, so that code * activation leaves room for a second product in
// 16 bits: codes of [64, 192] become [0, 128], and 2 * 128 * 127 < 2^15.
inline constexpr uint8_t kNarrowLowering = 64;
// Rows whose sums wait side by side between two blocks: in y they lie a power of two apart, or
// nearly, and would evict one another from L1.
inline constexpr int64_t kWaitingRows = 600;

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

/// Lines of narrow bytes, lowered; scales are copied.
inline void lower_lines(const uint8_t* packed, int64_t lines, int64_t groups, uint8_t* lowered) {
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t i = 0; i < lines * kLineBytes; ++i)
      lowered[i] = static_cast<uint8_t>(packed[i] - kNarrowLowering);
    packed += lines * kLineBytes;
    lowered += lines * kLineBytes;
    __builtin_memcpy(lowered, packed, kLineBytes);
    packed += kLineBytes;
    lowered += kLineBytes;
  }
}

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
  static constexpr bool kHasByteZero = kIsBytes;  // taken off in integers
  static constexpr bool kAddsPairs = false;       // to 32 bits at once, see LoweredBytes
  static constexpr int64_t kLinesOfPartial = isa::kPartialSteps / kSteps;
  /// Makes what a split source reads out of packed groups.
  static constexpr auto prepare = split_lines;

  /// The parts of kLanes rows.
  static void load(const uint8_t* line, Codes (&part)[kParts]) {
    part[0] = isa::load_codes(line);
    if constexpr (kIsBytes && kPlanes == 1) part[0] = isa::byte_codes(part[0]);
    if constexpr (kParts == 2 && kIsSplit) {
      part[1] = isa::load_codes(line + kLineBytes);
    } else if constexpr (kParts == 2) {
      part[1] = isa::high_nibbles(part[0]);
      part[0] = isa::low_nibbles(part[0]);
    }
  }

  /// Asks for what will be read: further on where codes are read in place; else the codes that will
  /// be split next, so that memory does not rest while the core multiplies. Codes that are read in
  /// place are not needed again: past L2, they leave what is in it alone, and no line has to move
  /// to L3 to make room for them.
  static void prefetch(const uint8_t* line, const uint8_t* next) {
    if constexpr (kIsSplit) {
      __builtin_prefetch(next);
    } else {
      __builtin_prefetch(line + kCodesAhead, 0, 0);
    }
  }
};

/// Lowered narrow bytes (kNarrowLowering), where bytes would have to go as two planes of nibbles: a
/// step goes straight into sums of 32 bits, in three operations instead of four and a half.
struct LoweredBytes : Source<1, 1, true> {
  static constexpr bool kAddsPairs = true;
  static constexpr bool kHasByteZero = false;
  static constexpr auto prepare = lower_lines;
};

using Nibbles = Source<2, 1, false>;
using SplitNibbles = Source<2, 1, true>;
using Bytes = Source<1, isa::kBytePlanes, false>;
using SplitBytes = Source<1, isa::kBytePlanes, isa::kBytePlanes == 2>;

/// One panel of x times 16 rows of W over some groups.
struct DotTile {
  const uint8_t* codes;  // the first group, in place or split
  const uint8_t* next;   // the packed codes that will be needed after these
  int64_t lines;         // of codes in a group, as packed
  int64_t groups;
  bool has_offsets;
  const int8_t* x;        // the panel at the first group
  const float* x_scales;  // likewise, kRows a group
  const float* x_sums;
  const float* start;    // 16 columns, as y
  int64_t start_stride;  // 0: one row for all
  float* y;
  int64_t y_stride;
};

/// How many vectors of W a tile takes at once, so that its partial sums stay in registers: the
/// largest power of two (as 16 rows are) that kDotSums allows.
constexpr int dot_vectors(int sums_of_vector) {
  int vectors = 1;
  while (2 * vectors <= kTileLanes && 2 * vectors * sums_of_vector <= isa::kDotSums)
    vectors *= 2;
  return vectors;
}

/// Whether the table takes two vectors of codes at once.
template <typename Sum>
concept TakesTwo = requires(Sum (&sum)[2], const Codes (&codes)[2], Quad x) {
  accumulate_two(sum, codes, x);  // of namespace isa
};

template <typename From, int kRows>
struct Dots {
  static constexpr int kVectors = dot_vectors(From::kPlanes * kRows);
  static constexpr int kParts = From::kParts;
  // A group has at most kMaxGroup / 4 lines.
  static constexpr bool kIsUnbounded = From::kLinesOfPartial >= 1 << 14;

  using AllPartials = Partial[From::kPlanes][kRows][kVectors];
  using AllSums = Sums[From::kPlanes][kRows][kVectors];

  /// Calls body(plane, m, v) for each sum; unrolled.
  template <typename Body>
  static void for_each_sum(const Body& body) {
#pragma GCC unroll 2
    for (int plane = 0; plane < From::kPlanes; ++plane) {
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v)
          body(plane, m, v);
      }
    }
  }

  /// sum, a Partial or (kAddsPairs) a Sums, with one dot product more.
  template <typename Sum>
  static Sum add_product(Sum sum, Codes codes, Quad quad) {
    if constexpr (From::kAddsPairs) {
      return accumulate_pairs(sum, codes, quad);  // of namespace isa, where bytes have two planes
    } else {
      return isa::accumulate(sum, codes, quad);
    }
  }

  /// Everything that one quad of row m is multiplied with. Sums known to be zero are left to the
  /// compiler, which then adds nothing.
  template <bool kIsFirst, typename Sum>
  static void add_row(const Codes (&part)[kVectors][kParts], int step, Quad quad, int m,
                      Sum (&sum)[From::kPlanes][kRows][kVectors]) {
    constexpr int kPlanes = From::kPlanes;
    if constexpr (!kIsFirst && kPlanes * kVectors == 2 && TakesTwo<Sum>) {
      constexpr int kPlane = kPlanes - 1;
      constexpr int kVector = kVectors - 1;
      Sum both[2] = {sum[0][m][0], sum[kPlane][m][kVector]};
      const Codes codes[2] = {part[0][step * kPlanes], part[kVector][step * kPlanes + kPlane]};
      accumulate_two(both, codes, quad);
      sum[0][m][0] = both[0];
      sum[kPlane][m][kVector] = both[1];
    } else {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 2
        for (int plane = 0; plane < kPlanes; ++plane)
          sum[plane][m][v] = add_product(sum[plane][m][v], part[v][step * kPlanes + plane], quad);
      }
    }
  }

  /// One step of a line.
  template <bool kIsFirst, typename Sum>
  static void add_step(const Codes (&part)[kVectors][kParts], int step, const int8_t* x,
                       Sum (&sum)[From::kPlanes][kRows][kVectors]) {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m)
      add_row<kIsFirst>(part, step, isa::broadcast(x + 4 * (step * kRows + m)), m, sum);
  }

  /// One line of codes times its four or eight activations of each row.
  template <bool kIsFirst, typename Sum>
  static void add_line(const uint8_t* line, const int8_t* x,
                       Sum (&sum)[From::kPlanes][kRows][kVectors]) {
    Codes part[kVectors][kParts];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      From::load(line + v * 4 * kLanes, part[v]);
    add_step<kIsFirst>(part, 0, x, sum);
    if constexpr (From::kSteps == 2) add_step<false>(part, 1, x, sum);
  }

  /// Where the lines of a group are.
  struct Lines {
    const uint8_t* codes;
    const uint8_t* next;
    const int8_t* x;

    void advance(int64_t lines) {
      codes += lines * From::kStride;
      next += lines * kLineBytes;
      x += lines * 4 * From::kSteps * kRows;
    }
  };

  /// sum += the line at `at`, and on to the next.
  template <bool kIsFirst, typename AnySums>
  static void take_line(Lines& at, AnySums& sum) {
    From::prefetch(at.codes, at.next);
    add_line<kIsFirst>(at.codes, at.x, sum);
    at.advance(1);
  }

  /// total += `lines` <= kLinesOfPartial lines, by way of partial sums. Unrolled where `lines` is a
  /// constant.
  static void gather_lines(Lines& at, int64_t lines, AllSums& total) {
    AllPartials sum;
    for_each_sum([&](int plane, int m, int v) { sum[plane][m][v] = isa::no_partial(); });
    take_line<true>(at, sum);
    for (int64_t line = 1; line < lines; ++line)
      take_line<false>(at, sum);
    for_each_sum([&](int plane, int m, int v) {
      total[plane][m][v] = isa::gather(total[plane][m][v], sum[plane][m][v]);
    });
  }

  static void sum_group(Lines at, int64_t lines, AllSums& total) {
    for_each_sum([&](int plane, int m, int v) { total[plane][m][v] = isa::no_sums(); });
    if constexpr (From::kAddsPairs) {
      for (int64_t line = 0; line < lines; ++line)
        take_line<false>(at, total);
    } else if constexpr (kIsUnbounded) {
      gather_lines(at, lines, total);
    } else {
      for (; lines >= From::kLinesOfPartial; lines -= From::kLinesOfPartial)
        gather_lines(at, From::kLinesOfPartial, total);
      if (lines > 0) gather_lines(at, lines, total);
    }
  }

  /// What multiplies the sum of a row of x: the offsets, or what the zero points amount to.
  static F32 shift_of(const f16* scales, F32 scale, bool has_offsets) {
    if constexpr (From::kIsBytes)
      return isa::mul(scale, isa::set(static_cast<float>(kNarrowLowering) - 128.0F));
    const F32 shift = isa::widen(scales + kPackedRows);
    return has_offsets ? shift : isa::sub(isa::zero(), isa::mul(scale, shift));
  }

  /// y += the group, whose line of scales (from the first vector on) and sums are given.
  static void scale_group(const DotTile& t, int64_t g, const f16* scales, const AllSums& sums,
                          F32 (&y)[kRows][kVectors]) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const F32 scale = isa::widen(scales + v * kLanes);
      const F32 shift = shift_of(scales + v * kLanes, scale, t.has_offsets);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const float x_sum = t.x_sums[g * kRows + m];
        Sums sum = sums[0][m][v];
        if constexpr (From::kPlanes == 2) sum = isa::join_planes(sum, sums[1][m][v]);
        F32 term;
        if constexpr (From::kHasByteZero) {
          term = isa::mul(scale, isa::to_float(isa::without_byte_zero(sum, x_sum)));
        } else {
          term = isa::fma(scale, isa::to_float(sum), isa::mul(shift, isa::set(x_sum)));
        }
        y[m][v] = isa::fma(term, isa::set(t.x_scales[g * kRows + m]), y[m][v]);
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
        y[m][v] = isa::load(t.start + m * t.start_stride + (first + v) * kLanes);
    }
    Lines at{t.codes + first * 4 * kLanes, t.next, t.x};
    for (int64_t g = 0; g < t.groups; ++g) {
      AllSums sums;
      sum_group(at, t.lines, sums);
      at.advance(t.lines);
      const auto* scales = reinterpret_cast<const f16*>(at.codes - first * 4 * kLanes);
      scale_group(t, g, scales + first * kLanes, sums, y);
      at.codes += kLineBytes;
      at.next += kLineBytes;
    }
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        isa::store(t.y + m * t.y_stride + (first + v) * kLanes, y[m][v]);
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
  const uint8_t* next;  // packed codes of the block after this
  bool is_last;         // of the tile
};

/// Runs a tile that has fewer than 16 columns: y goes through a copy of full width.
inline void run_narrow(RunDots run, const DotTile& tile, int64_t rows, int64_t columns) {
  alignas(64) float wide[isa::kDotRows * kPackedRows] = {};
  for (int64_t m = 0; m < rows; ++m) {
    for (int64_t n = 0; n < columns; ++n)
      wide[m * kPackedRows + n] = tile.start[m * tile.start_stride + n];
  }
  DotTile copy = tile;
  copy.y = wide;
  copy.start = wide;
  copy.start_stride = copy.y_stride = kPackedRows;
  run(copy);
  for (int64_t m = 0; m < rows; ++m) {
    for (int64_t n = 0; n < columns; ++n)
      tile.y[m * tile.y_stride + n] = wide[m * kPackedRows + n];
  }
}

/// Where the sums of the first row are when a block begins and when it ends, and how far apart rows
/// lie: in y at last, in `waiting` between two blocks if that has room for them.
struct BlockEnds {
  const float* start;
  int64_t start_stride;  // 0: one row for all
  float* end;
  int64_t end_stride;

  BlockEnds(const PackedGemmArgs& args, const DotBlock& block, float* waiting) {
    alignas(64) static constexpr float kNoBias[kPackedRows] = {};
    end = args.y + args.row_begin * args.y_stride + block.column;
    end_stride = args.y_stride;
    const bool can_wait = args.row_end - args.row_begin <= kWaitingRows;
    start = can_wait ? waiting : end;
    start_stride = can_wait ? kPackedRows : args.y_stride;
    if (!block.is_last && can_wait) {
      end = waiting;
      end_stride = kPackedRows;
    }
    if (block.group == 0) {
      start = args.bias == nullptr ? kNoBias : args.bias + block.column;
      start_stride = 0;
    }
  }
};

/// All rows of the call times one block.
template <typename From>
void multiply_dots(const PackedGemmArgs& args, const DotBlock& block, float* waiting) {
  const PackedWeights& w = args.weight;
  const int64_t groups = w.depth / w.group;
  const int64_t columns = least(kPackedRows, args.column_end - block.column);
  const BlockEnds ends(args, block, waiting);
  for (int64_t row = args.row_begin; row < args.row_end; row += args.panel_rows) {
    const int64_t rows = least(args.panel_rows, args.rows - row);
    const RunDots run = DotTable<From, isa::kDotRows>::kEntries[rows - 1];
    const int64_t first = row * groups + block.group * rows;
    const DotTile tile{.codes = block.codes,
                       .next = block.next,
                       .lines = w.group * w.bits * kPackedRows / (8 * kLineBytes),
                       .groups = block.groups,
                       .has_offsets = w.has_offsets,
                       .x = args.codes + row * w.depth + block.group * w.group * rows,
                       .x_scales = args.scales + first,
                       .x_sums = args.sums + first,
                       .start = ends.start + (row - args.row_begin) * ends.start_stride,
                       .start_stride = ends.start_stride,
                       .y = ends.end + (row - args.row_begin) * ends.end_stride,
                       .y_stride = ends.end_stride};
    if (columns == kPackedRows) {
      run(tile);
    } else {
      run_narrow(run, tile, rows, columns);
    }
  }
}

/// How a call goes through W: the whole depth of a tile, then the next, a block of groups at a
/// time. The codes of x go by once a tile, four bytes a cycle, which L3 delivers too.
struct Walk {
  int64_t lines;   // of codes in a packed group
  int64_t groups;  // in the depth
  int64_t step;    // groups of a block
  bool is_split;   // codes are split before they meet x

  int64_t group_bytes() const { return (lines + 1) * kLineBytes; }

  int64_t tile_bytes() const { return groups * group_bytes(); }
};

/// One panel of x reads codes in place, over the whole depth. More take a block of groups at a
/// time, whose codes are split once for all.
template <typename Split>
Walk plan_walk(const PackedGemmArgs& args) {
  const PackedWeights& w = args.weight;
  Walk walk{};
  walk.lines = w.group * w.bits * kPackedRows / (8 * kLineBytes);
  walk.groups = w.depth / w.group;
  const int64_t fitting = kSplitBytes / (walk.lines * Split::kStride + kLineBytes);
  const bool is_one_panel = args.row_end - args.row_begin <= args.panel_rows;
  walk.is_split = !is_one_panel && fitting > 0 && Split::kStride > kLineBytes;
  walk.step = is_one_panel ? walk.groups : most(fitting, 1);
  return walk;
}

/// Narrow bytes are lowered whatever the number of rows, so that a row has the same bits in all
/// calls.
inline Walk plan_lowered_walk(const PackedGemmArgs& args) {
  const PackedWeights& w = args.weight;
  Walk walk{};
  walk.lines = w.group * kPackedRows / kLineBytes;
  walk.groups = w.depth / w.group;
  walk.is_split = true;
  walk.step = kNarrowBytes / walk.group_bytes();
  return walk;
}

/// What a call needs beside its operands.
struct DotScratch {
  alignas(64) uint8_t split[most(kNarrowBytes, kSplitBytes)];
  alignas(64) float waiting[kWaitingRows * kPackedRows];
};

/// Groups [g, g + step) of the tile at column n.
template <typename InPlace, typename Split>
void multiply_at(const PackedGemmArgs& args, const Walk& walk, int64_t n, int64_t g,
                 DotScratch& scratch) {
  const int64_t tile = n / kPackedRows * walk.tile_bytes();
  const uint8_t* codes = args.weight.data + tile + g * walk.group_bytes();
  const int64_t groups = least(walk.step, walk.groups - g);
  DotBlock block{
      n, g, groups, codes, codes + groups * walk.group_bytes(), g + groups == walk.groups};
  if (walk.is_split) {
    Split::prepare(codes, walk.lines, groups, scratch.split);
    block.codes = scratch.split;
    multiply_dots<Split>(args, block, scratch.waiting);
  } else {
    multiply_dots<InPlace>(args, block, scratch.waiting);
  }
}

template <typename InPlace, typename Split>
void multiply_packed(const PackedGemmArgs& args, const Walk& walk) {
  DotScratch scratch;
  for (int64_t n = args.column_begin; n < args.column_end; n += kPackedRows) {
    for (int64_t g = 0; g < walk.groups; g += walk.step)
      multiply_at<InPlace, Split>(args, walk, n, g, scratch);
  }
}

/// Whether the table has the products of narrow bytes.
template <typename Sum>
concept AddsPairs = requires(Sum sum, Codes codes, Quad x) {
  accumulate_pairs(sum, codes, x);  // of namespace isa
};

/// 8-bit codes; Sum is isa::Sums.
template <typename Sum>
void multiply_bytes(const PackedGemmArgs& args) {
  if constexpr (AddsPairs<Sum>) {
    if (args.weight.is_narrow && args.weight.group <= kMaxNarrowGroup)
      return multiply_packed<LoweredBytes, LoweredBytes>(args, plan_lowered_walk(args));
  }
  multiply_packed<Bytes, SplitBytes>(args, plan_walk<SplitBytes>(args));
}

void gemm_packed(const PackedGemmArgs& args) noexcept {
  if (args.row_begin >= args.row_end) return;
  if (args.weight.bits == 4) {
    multiply_packed<Nibbles, SplitNibbles>(args, plan_walk<SplitNibbles>(args));
  } else {
    multiply_bytes<Sums>(args);
  }
}

}  // namespace
}  // namespace vila::kernels
