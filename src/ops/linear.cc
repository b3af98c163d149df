// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/helpers.h"
#include "ops/ops.h"

namespace vila::ops {
namespace {

using kernels::CpuKernels;
using kernels::GemmArgs;
using kernels::PackedGemmArgs;
using kernels::PackedWeights;

// One task does at most so many rows: their share of a depth block (600 x 384 floats) stays near
// the core while columns go by, and W is converted once per 600 rows.
constexpr int64_t kRowsPerTask = 600;
// Enough tasks to keep 8 threads busy; more would only convert W, or read x, more often.
constexpr int64_t kTasksWanted = 16;
// Multiply-adds below which a task is not worth handing to another thread (about 2 microseconds).
constexpr int64_t kWorthSharing = 1 << 16;
// The same in int8; a row against 128 KiB of 4-bit codes is so many.
constexpr int64_t kDotsWorthSharing = 1 << 18;

/// How a product is cut. It depends on the shape alone, so results do not depend on the threads.
struct Split {
  int64_t rows;     // of one task, a multiple of panel_rows
  int64_t columns;  // of one task, a multiple of tile_columns
};

/// What a product is made of, for split_product().
struct Product {
  int64_t rows;
  int64_t depth;
  int64_t columns;
  int64_t panel_rows;
  int64_t tile_columns;
  int64_t worth_sharing;  // multiply-adds
};

Split split_product(const Product& product) {
  const int64_t panels = (product.rows + product.panel_rows - 1) / product.panel_rows;
  const int64_t column_tiles = (product.columns + product.tile_columns - 1) / product.tile_columns;
  const int64_t rows_fitting = std::max<int64_t>(kRowsPerTask / product.panel_rows, 1);
  int64_t row_tasks = (panels + rows_fitting - 1) / rows_fitting;
  // Few columns: cut the rows further, down to eight panels a task.
  while (row_tasks * column_tiles < kTasksWanted && panels / (row_tasks + 1) >= 8)
    ++row_tasks;
  const int64_t rows = (panels + row_tasks - 1) / row_tasks * product.panel_rows;

  const int64_t tile_work = std::min(rows, product.rows) * product.depth * product.tile_columns;
  const int64_t tiles_by_work =
      std::max<int64_t>(product.worth_sharing / std::max<int64_t>(tile_work, 1), 1);
  const int64_t tiles_by_count = column_tiles * row_tasks / (4 * kTasksWanted);
  return {rows, std::max({tiles_by_work, tiles_by_count, int64_t{1}}) * product.tile_columns};
}

/// A product and how it is cut. Args is GemmArgs or PackedGemmArgs.
template <typename Args>
struct CutProduct {
  Args whole;
  Split split;

  int64_t row_tasks() const { return (whole.rows + split.rows - 1) / split.rows; }

  int64_t tasks() const {
    return (whole.column_end + split.columns - 1) / split.columns * row_tasks();
  }

  Args part(int64_t task) const {
    Args part = whole;
    part.column_begin = task / row_tasks() * split.columns;
    part.column_end = std::min(part.column_begin + split.columns, whole.column_end);
    part.row_begin = task % row_tasks() * split.rows;
    part.row_end = std::min(part.row_begin + split.rows, whole.rows);
    return part;
  }
};

/// Calls gemm(part) for all parts of the products on the pool, one product after the other.
template <typename Args, typename Gemm>
void multiply(ThreadPool& pool, std::span<const CutProduct<Args>> products, const Gemm& gemm) {
  int64_t tasks = 0;
  for (const CutProduct<Args>& product : products)
    tasks += product.tasks();
  pool.parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      int64_t within = task;
      auto product = products.begin();
      for (; within >= product->tasks(); ++product)
        within -= product->tasks();
      gemm(product->part(within));
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

/// A float product but for its weight: x packed, the bias wide, y whole.
GemmArgs float_product(Context& ctx, const Tensor& x, const Tensor& bias, const Tensor& y) {
  const int64_t panel_rows = kernels::panel_rows(x.dim(0), ctx.kernels.tile_rows);
  return {.packed_x = pack(ctx, x, panel_rows),
          .weight = nullptr,
          .weight_dtype = DType::f32,
          .weight_stride = 0,
          .bias = bias.defined() ? widened(ctx, bias) : nullptr,
          .y = y.data<float>(),
          .y_stride = y.dim(1),
          .rows = x.dim(0),
          .depth = x.dim(1),
          .panel_rows = panel_rows,
          .row_begin = 0,
          .row_end = x.dim(0),
          .column_begin = 0,
          .column_end = y.dim(1)};
}

CutProduct<GemmArgs> cut(const GemmArgs& args, const CpuKernels& kernels) {
  return {args, split_product({.rows = args.rows,
                               .depth = args.depth,
                               .columns = args.column_end,
                               .panel_rows = args.panel_rows,
                               .tile_columns = kernels.tile_columns,
                               .worth_sharing = kWorthSharing})};
}

CutProduct<PackedGemmArgs> cut(const PackedGemmArgs& args) {
  return {args, split_product({.rows = args.rows,
                               .depth = args.weight.depth,
                               .columns = args.column_end,
                               .panel_rows = args.panel_rows,
                               .tile_columns = PackedMatrix::kTileRows,
                               .worth_sharing = kDotsWorthSharing})};
}

/// Quantises the rows that args.codes, scales and sums (in the arena) are to hold.
void quantise(Context& ctx, const Tensor& x, PackedGemmArgs& args) {
  const int64_t rows = x.dim(0);
  const int64_t depth = x.dim(1);
  const Shape groups{rows, depth / args.weight.group};
  const kernels::QuantiseRowsArgs whole{
      .x = x.data<float>(),
      .x_stride = depth,
      .rows = rows,
      .depth = depth,
      .group = args.weight.group,
      .panel_rows = args.panel_rows,
      .row_begin = 0,
      .row_end = rows,
      .codes = arena_tensor(ctx.arena, DType::i8, x.shape()).data<int8_t>(),
      .scales = arena_tensor(ctx.arena, DType::f32, groups).data<float>(),
      .sums = arena_tensor(ctx.arena, DType::f32, groups).data<float>()};
  const int64_t panels = std::max<int64_t>(rows_per_task(depth) / args.panel_rows, 1);
  ctx.pool.parallel_for(rows, panels * args.panel_rows, [&](int64_t begin, int64_t end) {
    kernels::QuantiseRowsArgs part = whole;
    part.row_begin = begin;
    part.row_end = end;
    ctx.kernels.quantise_rows(part);
  });
  args.codes = whole.codes;
  args.scales = whole.scales;
  args.sums = whole.sums;
}

PackedWeights raw_weights(const PackedMatrix& weight) {
  return {.data = weight.data.data<uint8_t>(),
          .depth = weight.in,
          .group = weight.group,
          .bits = weight.bits,
          .has_offsets = weight.has_offsets,
          .is_narrow = weight.is_narrow};
}

/// The product of the rows that `quantised` holds.
PackedGemmArgs with_weight(Context& ctx, const PackedGemmArgs& quantised,
                           const PackedLinear& linear, const Tensor& y) {
  PackedGemmArgs args = quantised;
  args.weight = raw_weights(linear.weight);
  args.bias = linear.bias.defined() ? widened(ctx, linear.bias) : nullptr;
  args.y = y.data<float>();
  args.y_stride = y.dim(1);
  args.column_end = y.dim(1);
  return args;
}

/// All products of x, whose weights have one depth and group; ys are allocated.
void multiply_int8(Context& ctx, const Tensor& x, std::span<const PackedLinear> linears,
                   std::span<const Tensor> ys) {
  PackedGemmArgs quantised{.codes = nullptr,
                           .scales = nullptr,
                           .sums = nullptr,
                           .weight = raw_weights(linears[0].weight),
                           .bias = nullptr,
                           .y = nullptr,
                           .y_stride = 0,
                           .rows = x.dim(0),
                           .panel_rows = kernels::panel_rows(x.dim(0), ctx.kernels.dot_rows),
                           .row_begin = 0,
                           .row_end = x.dim(0),
                           .column_begin = 0,
                           .column_end = 0};
  quantise(ctx, x, quantised);
  std::vector<CutProduct<PackedGemmArgs>> products;
  for (size_t i = 0; i < linears.size(); ++i)
    products.push_back(cut(with_weight(ctx, quantised, linears[i], ys[i])));
  multiply<PackedGemmArgs>(ctx.pool, products, ctx.kernels.gemm_packed);
}

/// Whether linears can share what x becomes in int8.
bool share_rows(const Context& ctx, std::span<const PackedLinear> linears) {
  return ctx.packed_activations == PackedActivations::int8 &&
         std::ranges::all_of(linears, [&](const PackedLinear& linear) {
           return linear.weight.group == linears[0].weight.group;
         });
}

void check_rows(const Tensor& x, int64_t depth, const Tensor& bias, int64_t columns) {
  VILA_CHECK(x.rank() == 2 && x.dtype() == DType::f32 && x.dim(1) == depth,
             "x is {} for a weight of depth {}", x.text(), depth);
  VILA_CHECK(!bias.defined() || (bias.rank() == 1 && bias.dim(0) == columns),
             "bias is {} for {} columns", bias.text(), columns);
}

}  // namespace

Tensor linear(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  VILA_CHECK(weight.rank() == 2 && is_weight_dtype(weight.dtype()), "weight is {}", weight.text());
  check_rows(x, weight.dim(1), bias, weight.dim(0));
  Tensor y = arena_tensor(ctx.arena, DType::f32, {x.dim(0), weight.dim(0)});
  if (y.numel() == 0) return y;

  const ArenaScope scratch(ctx.arena);
  GemmArgs args = float_product(ctx, x, bias, y);
  args.weight = weight.raw();
  args.weight_dtype = weight.dtype();
  args.weight_stride = weight.dim(1);
  const CutProduct<GemmArgs> product = cut(args, ctx.kernels);
  multiply<GemmArgs>(ctx.pool, {&product, 1}, ctx.kernels.gemm);
  return y;
}

Tensor linear(Context& ctx, const Tensor& x, const PackedMatrix& weight, const Tensor& bias) {
  check_rows(x, weight.in, bias, weight.out);
  const Tensor y = arena_tensor(ctx.arena, DType::f32, {x.dim(0), weight.out});
  if (y.numel() == 0) return y;

  const ArenaScope scratch(ctx.arena);
  if (ctx.packed_activations == PackedActivations::int8) {
    const PackedLinear linear{weight, bias};
    multiply_int8(ctx, x, {&linear, 1}, {&y, 1});
    return y;
  }
  const GemmArgs args = float_product(ctx, x, bias, y);
  const CutProduct<GemmArgs> product = cut(args, ctx.kernels);
  const PackedWeights raw = raw_weights(weight);
  multiply<GemmArgs>(ctx.pool, {&product, 1},
                     [&](const GemmArgs& part) { ctx.kernels.gemm_dequantised(part, raw); });
  return y;
}

std::vector<Tensor> linear_together(Context& ctx, const Tensor& x,
                                    std::span<const PackedLinear> linears) {
  std::vector<Tensor> ys;
  if (!share_rows(ctx, linears)) {
    for (const PackedLinear& linear : linears)
      ys.push_back(ops::linear(ctx, x, linear.weight, linear.bias));
    return ys;
  }
  for (const auto& [weight, bias] : linears) {
    check_rows(x, weight.in, bias, weight.out);
    ys.push_back(arena_tensor(ctx.arena, DType::f32, {x.dim(0), weight.out}));
  }
  if (x.dim(0) == 0 || linears.empty()) return ys;
  const ArenaScope scratch(ctx.arena);
  multiply_int8(ctx, x, linears, ys);
  return ys;
}

}  // namespace vila::ops
