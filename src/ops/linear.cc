// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/helpers.h"
#include "ops/ops.h"

namespace vila::ops {
namespace {

using kernels::CpuKernels;
using kernels::GemmArgs;

// One task does at most so many rows: their share of a depth block (600 x 384 floats) stays near
// the core while columns go by, and W is converted once per 600 rows.
constexpr int64_t kRowsPerTask = 600;
// Enough tasks to keep 8 threads busy; more would only convert W, or read x, more often.
constexpr int64_t kTasksWanted = 16;
// Multiply-adds below which a task is not worth handing to another thread (about 2 microseconds).
constexpr int64_t kWorthSharing = 1 << 16;

/// How a product is cut. It depends on the shape alone, so results do not depend on the threads.
struct Split {
  int64_t rows;     // of one task, a multiple of panel_rows
  int64_t columns;  // of one task, a multiple of tile_columns
};

Split split_product(const GemmArgs& args, int64_t columns, const CpuKernels& kernels) {
  const int64_t panels = (args.rows + args.panel_rows - 1) / args.panel_rows;
  const int64_t column_tiles = (columns + kernels.tile_columns - 1) / kernels.tile_columns;
  const int64_t rows_fitting = std::max<int64_t>(kRowsPerTask / args.panel_rows, 1);
  int64_t row_tasks = (panels + rows_fitting - 1) / rows_fitting;
  // Few columns: cut the rows further, down to eight panels a task.
  while (row_tasks * column_tiles < kTasksWanted && panels / (row_tasks + 1) >= 8)
    ++row_tasks;
  const int64_t rows = (panels + row_tasks - 1) / row_tasks * args.panel_rows;

  const int64_t tile_work = std::min(rows, args.rows) * args.depth * kernels.tile_columns;
  const int64_t tiles_by_work =
      std::max<int64_t>(kWorthSharing / std::max<int64_t>(tile_work, 1), 1);
  const int64_t tiles_by_count = column_tiles * row_tasks / (4 * kTasksWanted);
  return {rows, std::max({tiles_by_work, tiles_by_count, int64_t{1}}) * kernels.tile_columns};
}

void multiply(Context& ctx, const GemmArgs& whole, int64_t columns) {
  const Split split = split_product(whole, columns, ctx.kernels);
  const int64_t column_tasks = (columns + split.columns - 1) / split.columns;
  const int64_t row_tasks = (whole.rows + split.rows - 1) / split.rows;
  ctx.pool.parallel_for(column_tasks * row_tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      GemmArgs part = whole;
      part.column_begin = task / row_tasks * split.columns;
      part.column_end = std::min(part.column_begin + split.columns, columns);
      part.row_begin = task % row_tasks * split.rows;
      part.row_end = std::min(part.row_begin + split.rows, whole.rows);
      ctx.kernels.gemm(part);
    }
  });
}

float* pack(Context& ctx, const Tensor& x, int64_t panel_rows) {
  const int64_t rows = x.dim(0);
  const int64_t depth = x.dim(1);
  const Tensor packed = arena_tensor(ctx.arena, DType::f32, x.shape());
  const kernels::PackRowsArgs whole{.x = x.data<float>(),
                                    .x_stride = depth,
                                    .rows = rows,
                                    .depth = depth,
                                    .panel_rows = panel_rows,
                                    .row_begin = 0,
                                    .row_end = rows,
                                    .packed = packed.data<float>()};
  constexpr int64_t kPanelsPerTask = 4;
  ctx.pool.parallel_for(rows, kPanelsPerTask * panel_rows, [&](int64_t begin, int64_t end) {
    kernels::PackRowsArgs part = whole;
    part.row_begin = begin;
    part.row_end = end;
    ctx.kernels.pack_rows(part);
  });
  return packed.data<float>();
}

}  // namespace

Tensor linear(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  VILA_CHECK(x.rank() == 2 && x.dtype() == DType::f32, "x is {}", x.text());
  VILA_CHECK(weight.rank() == 2 && weight.dim(1) == x.dim(1) && is_weight_dtype(weight.dtype()),
             "weight is {} for x {}", weight.text(), x.text());
  VILA_CHECK(!bias.defined() || (bias.rank() == 1 && bias.dim(0) == weight.dim(0)),
             "bias is {} for weight {}", bias.text(), weight.text());
  const int64_t rows = x.dim(0);
  const int64_t columns = weight.dim(0);
  Tensor y = arena_tensor(ctx.arena, DType::f32, {rows, columns});
  if (y.numel() == 0) return y;

  const ArenaScope scratch(ctx.arena);
  const int64_t panel_rows = kernels::panel_rows(rows, ctx.kernels.tile_rows);
  multiply(ctx,
           {.packed_x = pack(ctx, x, panel_rows),
            .weight = weight.raw(),
            .weight_dtype = weight.dtype(),
            .weight_stride = weight.dim(1),
            .bias = bias.defined() ? widened(ctx, bias) : nullptr,
            .y = y.data<float>(),
            .y_stride = columns,
            .rows = rows,
            .depth = x.dim(1),
            .panel_rows = panel_rows,
            .row_begin = 0,
            .row_end = rows,
            .column_begin = 0,
            .column_end = columns},
           columns);
  return y;
}

}  // namespace vila::ops
