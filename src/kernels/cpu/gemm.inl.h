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
// Depth of a weight panel: 256 * 32 floats are 32 KiB, which leaves room in L1 for x and y.
inline constexpr int64_t kDepthBlock = 256;
// How far ahead, in bytes, pack_weights() asks for each row: 8 lines cover the latency of memory.
inline constexpr int64_t kPrefetchBytes = 512;

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

template <int kRows>
void run_tile(const TileArgs& t) {
  F32 sum[kRows][isa::kTileVectors];
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < isa::kTileVectors; ++v) {
      sum[m][v] = load_columns(t.start + m * t.start_stride, t.columns, v);
    }
  }
  const float* a = t.a;
  const float* b = t.b;
  for (int64_t k = 0; k < t.depth; ++k) {
    F32 weight[isa::kTileVectors];
#pragma GCC unroll 16
    for (int v = 0; v < isa::kTileVectors; ++v)
      weight[v] = isa::load(b + v * kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const F32 x = isa::set(a[m]);
#pragma GCC unroll 16
      for (int v = 0; v < isa::kTileVectors; ++v)
        sum[m][v] = isa::fma(x, weight[v], sum[m][v]);
    }
    a += t.a_step;
    b += kTileColumns;
  }
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < isa::kTileVectors; ++v) {
      store_columns(t.y + m * t.y_stride, t.columns, v, sum[m][v]);
    }
  }
}

using RunTile = void (*)(const TileArgs&);

/// run_tile for 1 to kTileRows rows, by number.
template <int... kIndices>
struct TileTable {
  static constexpr RunTile kEntries[] = {run_tile<kIndices + 1>...};
};

template <int kCount, int... kIndices>
struct MakeTileTable : MakeTileTable<kCount - 1, kCount - 1, kIndices...> {};

template <int... kIndices>
struct MakeTileTable<0, kIndices...> : TileTable<kIndices...> {};

inline void run_tile_of(int64_t rows, const TileArgs& args) {
  MakeTileTable<isa::kTileRows>::kEntries[rows - 1](args);
}

/// Up to kLanes rows of x, from column `column` on, as kLanes columns: block[j] lane i is
/// x[i][column + j]. Rows past `rows` repeat the last one.
inline void load_transposed(const float* x, int64_t stride, int64_t rows, int64_t column,
                            F32 (&block)[kLanes]) {
  for (int64_t i = 0; i < kLanes; ++i) {
    const int64_t row = i < rows ? i : rows - 1;
    block[i] = isa::load(x + row * stride + column);
  }
  isa::transpose(block);
}

/// One panel of pack_rows(): packed[k * rows + i] = x[i][k], rows <= kTileRows.
inline void pack_panel(const float* x, int64_t stride, int64_t rows, int64_t depth, float* packed) {
  int64_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
    for (int64_t group = 0; group < rows; group += kLanes) {
      const int64_t count = rows - group < kLanes ? rows - group : kLanes;
      F32 block[kLanes];
      load_transposed(x + group * stride, stride, count, k, block);
      for (int64_t j = 0; j < kLanes; ++j) {
        isa::store_partial(packed + (k + j) * rows + group, count, block[j]);
      }
    }
  }
  for (; k < depth; ++k) {
    for (int64_t i = 0; i < rows; ++i)
      packed[k * rows + i] = x[i * stride + k];
  }
}

void pack_rows(const PackRowsArgs& args) noexcept {
  for (int64_t row = args.row_begin; row < args.row_end; row += args.panel_rows) {
    const int64_t left = args.rows - row;
    pack_panel(args.x + row * args.x_stride, args.x_stride,
               left < args.panel_rows ? left : args.panel_rows, args.depth,
               args.packed + row * args.depth);
  }
}

/// `columns` rows of W, elements [0, depth) of each, as panel[k * kTileColumns + n]. `ahead` is the
/// distance in elements to where the reads go on after this panel.
template <typename Weight>
void pack_weights(const Weight* w, int64_t stride, int64_t columns, int64_t depth, float* panel) {
  constexpr int64_t kAhead = kPrefetchBytes / static_cast<int64_t>(sizeof(Weight));
  for (int64_t group = 0; group < kTileColumns; group += kLanes) {
    const Weight* row[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      const int64_t n = group + i < columns ? group + i : columns - 1;
      row[i] = w + n * stride;
    }
    int64_t k = 0;
    for (; k + kLanes <= depth; k += kLanes) {
      F32 block[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        __builtin_prefetch(row[i] + k + kAhead);
        block[i] = isa::widen(row[i] + k);
      }
      isa::transpose(block);
      for (int64_t j = 0; j < kLanes; ++j) {
        isa::store(panel + (k + j) * kTileColumns + group, block[j]);
      }
    }
    for (; k < depth; ++k) {
      for (int64_t i = 0; i < kLanes; ++i) {
        panel[k * kTileColumns + group + i] = isa::widen_one(row[i] + k);
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

inline void multiply_block(const GemmArgs& args, const DepthBlock& block, const float* panel) {
  alignas(64) static constexpr float kNoBias[kTileColumns] = {};
  for (int64_t row = args.row_begin; row < args.row_end; row += args.panel_rows) {
    const int64_t left = args.rows - row;
    const int64_t rows = left < args.panel_rows ? left : args.panel_rows;
    float* y = args.y + row * args.y_stride + block.column;
    const bool is_first = block.k == 0;
    const float* bias = args.bias == nullptr ? kNoBias : args.bias + block.column;
    run_tile_of(rows, {.a = args.packed_x + row * args.depth + block.k * rows,
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

template <typename Weight>
void gemm_of(const GemmArgs& args) {
  alignas(64) float panel[kDepthBlock * kTileColumns];
  const auto* weight = static_cast<const Weight*>(args.weight);
  for (int64_t n = args.column_begin; n < args.column_end; n += kTileColumns) {
    const int64_t columns_left = args.column_end - n;
    DepthBlock block{n, columns_left < kTileColumns ? columns_left : kTileColumns, 0, 0};
    do {
      const int64_t depth_left = args.depth - block.k;
      block.depth = depth_left < kDepthBlock ? depth_left : kDepthBlock;
      pack_weights(weight + n * args.weight_stride + block.k, args.weight_stride, block.columns,
                   block.depth, panel);
      multiply_block(args, block, panel);
      block.k += kDepthBlock;
    } while (block.k < args.depth);
  }
}

void gemm(const GemmArgs& args) noexcept {
  if (args.row_begin >= args.row_end) return;
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
