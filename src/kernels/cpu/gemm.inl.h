// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/kernels.h"

/// Blocked product after Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication"
/// (2008), with weights converted panel by panel; docs/kernels.md draws the layouts.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

inline constexpr int64_t kTileColumns = isa::kTileVectors * kLanes;
// Depth of a weight panel: 384 * 32 floats are 48 KiB, between the sizes of L1 and L2.
inline constexpr int64_t kDepthBlock = 384;
// With few rows, conversion costs as much as arithmetic: blocks so shallow that the CPU converts
// the next one while it still waits for the sums of this one.
inline constexpr int64_t kShallowBlock = 128;
inline constexpr int64_t kFewRows = 8;
static_assert(kDepthBlock % kShallowBlock == 0, "a shallow block lies in one depth block");
// How far ahead, in bytes, pack_weights() asks for each row: measured, 64 to 512.
inline constexpr int64_t kPrefetchBytes = 256;

// 256 KiB: what of x may be counted on to stay in L2 beside the rest.
inline constexpr int64_t kResidentFloats = 1 << 16;
inline constexpr int64_t kPanelsPerPass = 2;

// How far ahead, in floats, a tile asks for x: panels of one depth block lie one after the other.
inline constexpr int64_t kTilePrefetch = 2048;

constexpr int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

constexpr int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/// y[m][n] = start[m][n] + sum_k a[k][m] * b[k][n] for kRows rows and up to kTileColumns columns.
struct TileArgs {
  const float* a;
  int64_t a_step;  // elements between steps of k
  const float* b;  // kTileColumns elements for each k
  int64_t depth;
  const float* start;
  int64_t start_stride;  // 0: one row for all
  float* y;
  int64_t y_stride;
  int64_t columns;  // that start and y have
};

/// Vector `vector` of a row that has `columns` columns; zeros behind the last.
inline F32 load_columns(const float* x, int64_t columns, int vector) {
  const int64_t left = columns - vector * kLanes;
  if (left >= kLanes) return isa::load(x + vector * kLanes);
  return left > 0 ? isa::load_partial(x + vector * kLanes, left) : isa::zero();
}

inline void store_columns(float* y, int64_t columns, int vector, F32 value) {
  const int64_t left = columns - vector * kLanes;
  if (left >= kLanes) {
    isa::store(y + vector * kLanes, value);
  } else if (left > 0) {
    isa::store_partial(y + vector * kLanes, left, value);
  }
}

/// A step of depth in a tile: one product, of floats.
struct FloatStep {
  static F32 add(F32 sum, F32 a, F32 b) { return isa::fma(a, b, sum); }
};

template <typename Step, int kRows, int kVectors>
void run_tile(const TileArgs& t) {
  F32 sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      sum[m][v] = load_columns(t.start + m * t.start_stride, t.columns, v);
    }
  }
  const float* a = t.a;
  const float* b = t.b;
  for (int64_t k = 0; k < t.depth; ++k) {
    F32 weight[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      weight[v] = isa::load(b + v * kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const F32 x = isa::set(a[m]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        sum[m][v] = Step::add(sum[m][v], x, weight[v]);
    }
    __builtin_prefetch(a + kTilePrefetch);
    a += t.a_step;
    b += kTileColumns;
  }
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      store_columns(t.y + m * t.y_stride, t.columns, v, sum[m][v]);
    }
  }
}

using RunTile = void (*)(const TileArgs&);

/// run_tile for 1 to kTileRows rows, by number.
template <typename Step, int kVectors, int... kIndices>
struct TileTable {
  static constexpr RunTile kEntries[] = {run_tile<Step, kIndices + 1, kVectors>...};
};

template <typename Step, int kVectors, int kCount, int... kIndices>
struct MakeTileTable : MakeTileTable<Step, kVectors, kCount - 1, kCount - 1, kIndices...> {};

template <typename Step, int kVectors, int... kIndices>
struct MakeTileTable<Step, kVectors, 0, kIndices...> : TileTable<Step, kVectors, kIndices...> {};

/// The tile of `rows` rows; half as wide when the columns fit one vector.
template <typename Step = FloatStep>
void run_tile_of(int64_t rows, const TileArgs& args) {
  if (args.columns <= kLanes) {
    MakeTileTable<Step, 1, isa::kTileRows>::kEntries[rows - 1](args);
  } else {
    MakeTileTable<Step, isa::kTileVectors, isa::kTileRows>::kEntries[rows - 1](args);
  }
}

/// Pointers to kLanes rows of a matrix; those past `count` repeat the last.
template <typename T>
struct Rows {
  const T* row[kLanes];

  Rows(const T* first, int64_t stride, int64_t count) {
    for (int64_t i = 0; i < kLanes; ++i)
      row[i] = first + (i < count ? i : count - 1) * stride;
  }

  /// kLanes words from element k on, transposed: block[j] lane i is word j of row i.
  void load_words(int64_t k, F32 (&block)[kLanes]) const {
    const void* at[kLanes];
    for (int64_t i = 0; i < kLanes; ++i)
      at[i] = row[i] + k;
    isa::load_transposed(at, block);
  }
};

/// packed[k * rows + i] = x[i][k] for rows <= kTileRows.
inline void pack_panel(const float* x, int64_t stride, int64_t rows, int64_t depth, float* packed) {
  int64_t whole = 0;
  for (int64_t group = 0; group < rows; group += kLanes) {
    const int64_t count = least(rows - group, kLanes);
    const Rows<float> source(x + group * stride, stride, count);
    for (whole = 0; whole + kLanes <= depth; whole += kLanes) {
      F32 block[kLanes];
      source.load_words(whole, block);
      for (int64_t j = 0; j < kLanes; ++j) {
        isa::store_partial(packed + (whole + j) * rows + group, count, block[j]);
      }
    }
  }
  for (int64_t k = whole; k < depth; ++k) {
    for (int64_t i = 0; i < rows; ++i)
      packed[k * rows + i] = x[i * stride + k];
  }
}

void pack_rows(const PackRowsArgs& args) noexcept {
  for (int64_t row = args.row_begin; row < args.row_end; row += args.panel_rows) {
    const int64_t rows = least(args.panel_rows, args.rows - row);
    for (int64_t k = 0; k < args.depth; k += kDepthBlock) {
      const int64_t depth = least(kDepthBlock, args.depth - k);
      pack_panel(args.x + row * args.x_stride + k, args.x_stride, rows, depth,
                 args.packed + k * args.rows + row * depth);
    }
  }
}

// Elements of a row that one 32-bit word holds.
template <typename Weight>
inline constexpr int64_t kPerWord = static_cast<int64_t>(sizeof(float) / sizeof(Weight));

/// kLanes words of kLanes rows as f32: kPerWord * kLanes steps of a panel.
inline void pack_block(const Rows<float>& rows, int64_t k, float* panel) {
  F32 block[kLanes];
  rows.load_words(k, block);
  for (int64_t j = 0; j < kLanes; ++j)
    isa::store(panel + j * kTileColumns, block[j]);
}

/// The same for f16 and bf16: a word holds two steps.
template <typename Half>
void pack_block(const Rows<Half>& rows, int64_t k, float* panel) {
  F32 block[kLanes];
  rows.load_words(k, block);
  for (int64_t j = 0; j < kLanes; ++j) {
    F32 even;
    F32 odd;
    isa::split_pairs(block[j], rows.row[0], even, odd);
    isa::store(panel + 2 * j * kTileColumns, even);
    isa::store(panel + (2 * j + 1) * kTileColumns, odd);
  }
}

/// `columns` rows of W, elements [0, depth) of each, as panel[k * kTileColumns + n].
template <typename Weight>
void pack_weights(const Weight* w, int64_t stride, int64_t columns, int64_t depth, float* panel) {
  constexpr int64_t kStep = kPerWord<Weight> * kLanes;
  constexpr int64_t kAhead = kPrefetchBytes / static_cast<int64_t>(sizeof(Weight));
  for (int64_t group = 0; group < kTileColumns && group < columns; group += kLanes) {
    const Rows<Weight> rows(w + group * stride, stride, columns - group);
    int64_t k = 0;
    for (; k + kStep <= depth; k += kStep) {
      for (int64_t i = 0; i < kLanes; ++i)
        __builtin_prefetch(rows.row[i] + k + kAhead);
      pack_block(rows, k, panel + k * kTileColumns + group);
    }
    for (; k < depth; ++k) {
      for (int64_t i = 0; i < kLanes; ++i) {
        panel[k * kTileColumns + group + i] = isa::widen_one(rows.row[i] + k);
      }
    }
  }
}

/// All rows of one panel of columns [column, column + columns), over depth [k, k + depth).
struct DepthBlock {
  int64_t column;
  int64_t columns;
  int64_t k;
  int64_t depth;
};

/// Where pack_rows() put element k of the panel at `row`.
inline const float* packed_at(const GemmArgs& args, int64_t row, int64_t rows, int64_t k) {
  const int64_t first = k / kDepthBlock * kDepthBlock;
  const int64_t depth = least(kDepthBlock, args.depth - first);
  return args.packed_x + first * args.rows + row * depth + (k - first) * rows;
}

/// All rows of the call times one packed panel.
inline void multiply_block(const GemmArgs& args, const DepthBlock& block, const float* panel) {
  alignas(64) static constexpr float kNoBias[kTileColumns] = {};
  for (int64_t row = args.row_begin; row < args.row_end; row += args.panel_rows) {
    const int64_t rows = least(args.panel_rows, args.rows - row);
    float* y = args.y + row * args.y_stride + block.column;
    const bool is_first = block.k == 0;
    const float* bias = args.bias == nullptr ? kNoBias : args.bias + block.column;
    run_tile_of(rows, {.a = packed_at(args, row, rows, block.k),
                       .a_step = rows,
                       .b = panel,
                       .depth = block.depth,
                       .start = is_first ? bias : y,
                       .start_stride = is_first ? 0 : args.y_stride,
                       .y = y,
                       .y_stride = args.y_stride,
                       .columns = block.columns});
  }
}

/// Columns that one pass over the depth covers. While the rows of x at full depth stay in L2, one
/// panel at a time reads W in its own order; when they do not, a few panels share each depth block.
inline int64_t columns_per_pass(const GemmArgs& args) {
  const int64_t size = (args.row_end - args.row_begin) * args.depth;
  return size <= kResidentFloats ? kTileColumns : kPanelsPerPass * kTileColumns;
}

/// Columns [begin, end) over the whole depth; `panel` is scratch, which pack(block, panel) fills.
template <typename Pack>
void multiply_pass(const GemmArgs& args, int64_t begin, int64_t end, const Pack& pack,
                   float* panel) {
  const int64_t step = args.rows <= kFewRows ? kShallowBlock : kDepthBlock;
  DepthBlock block{};
  do {  // once also for depth 0: y is the bias then
    block.depth = least(step, args.depth - block.k);
    for (block.column = begin; block.column < end; block.column += kTileColumns) {
      block.columns = least(kTileColumns, end - block.column);
      pack(block, panel);
      multiply_block(args, block, panel);
    }
    block.k += step;
  } while (block.k < args.depth);
}

/// The whole call; pack(block, panel) gives panel[k * kTileColumns + n] = W[column + n][k0 + k].
template <typename Pack>
void multiply(const GemmArgs& args, const Pack& pack) {
  if (args.row_begin >= args.row_end) return;
  alignas(64) float panel[kDepthBlock * kTileColumns];
  const int64_t pass = columns_per_pass(args);
  for (int64_t n = args.column_begin; n < args.column_end; n += pass)
    multiply_pass(args, n, least(n + pass, args.column_end), pack, panel);
}

template <typename Weight>
void gemm_of(const GemmArgs& args) {
  multiply(args, [&args](const DepthBlock& block, float* panel) {
    const auto* weight = static_cast<const Weight*>(args.weight);
    pack_weights(weight + block.column * args.weight_stride + block.k, args.weight_stride,
                 block.columns, block.depth, panel);
  });
}

void gemm(const GemmArgs& args) noexcept {
  switch (args.weight_dtype) {
    case DType::f16:
      return gemm_of<f16>(args);
    case DType::bf16:
      return gemm_of<bf16>(args);
    default:
      return gemm_of<float>(args);
  }
}

}  // namespace
}  // namespace vila::kernels
