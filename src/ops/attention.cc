// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/helpers.h"
#include "ops/ops.h"

namespace vila::ops {
namespace {

using kernels::AttentionArgs;

float softmax_scale(int64_t head_dim) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
}

/// Does queries [block * size, …) of one head; `whole` describes all queries of that head.
void attend_part(const Context& ctx, const AttentionArgs& whole, int64_t block) {
  const int64_t begin = block * ctx.kernels.query_block;
  AttentionArgs part = whole;
  part.queries = std::min(whole.queries - begin, ctx.kernels.query_block);
  part.q += begin * whole.q_stride;
  part.out += begin * whole.out_stride;
  part.first_seen += begin;
  ctx.kernels.attend(part);
}

int64_t blocks_of(const Context& ctx, int64_t rows) {
  return (rows + ctx.kernels.query_block - 1) / ctx.kernels.query_block;
}

void check_sequence(const CausalSequence& sequence, const Tensor& q) {
  VILA_CHECK(sequence.rows >= 1 && sequence.row_begin >= 0 &&
                 sequence.row_begin + sequence.rows <= q.dim(0) &&
                 sequence.length >= sequence.rows && sequence.keys != nullptr &&
                 sequence.values != nullptr,
             "rows {} + {} of q {}, length {}", sequence.row_begin, sequence.rows, q.text(),
             sequence.length);
}

/// Head `head` of one sequence as the kernel wants it.
struct CausalHead {
  const Tensor& q;
  const Tensor& out;
  int64_t heads;
  int64_t kv_heads;

  AttentionArgs args(const CausalSequence& sequence, int64_t head) const {
    const int64_t size = q.dim(1) / heads;
    const int64_t kv_head = head / (heads / kv_heads);
    const int64_t first = sequence.row_begin * q.dim(1) + head * size;
    return {.q = q.data<float>() + first,
            .q_stride = q.dim(1),
            .k = sequence.keys + kv_head * size,
            .v = sequence.values + kv_head * size,
            .kv_stride = kv_heads * size,
            .out = out.data<float>() + first,
            .out_stride = q.dim(1),
            .queries = sequence.rows,
            .keys = sequence.length,
            .head_dim = size,
            .first_seen = sequence.length - sequence.rows + 1,
            .causal = true,
            .scale = softmax_scale(size)};
  }
};

}  // namespace

Tensor attend_full(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                   int64_t sequences, int64_t heads) {
  VILA_CHECK(q.rank() == 2 && k.shape() == q.shape() && v.shape() == q.shape(),
             "q is {}, k {}, v {}", q.text(), k.text(), v.text());
  VILA_CHECK(sequences > 0 && q.dim(0) % sequences == 0 && heads > 0 && q.dim(1) % heads == 0,
             "{} sequences and {} heads in q {}", sequences, heads, q.text());
  const int64_t width = q.dim(1);
  const int64_t size = width / heads;
  VILA_CHECK(size <= kernels::kMaxHeadDim, "head size {}", size);
  const int64_t rows = q.dim(0) / sequences;
  const Tensor out = arena_tensor(ctx.arena, DType::f32, q.shape());
  const int64_t blocks = blocks_of(ctx, rows);
  ctx.pool.parallel_for(sequences * heads * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t head = task / blocks % heads;
      const int64_t first = task / blocks / heads * rows * width + head * size;
      attend_part(ctx,
                  {.q = q.data<float>() + first,
                   .q_stride = width,
                   .k = k.data<float>() + first,
                   .v = v.data<float>() + first,
                   .kv_stride = width,
                   .out = out.data<float>() + first,
                   .out_stride = width,
                   .queries = rows,
                   .keys = rows,
                   .head_dim = size,
                   .first_seen = 0,
                   .causal = false,
                   .scale = softmax_scale(size)},
                  task % blocks);
    }
  });
  return out;
}

Tensor attend_causal(Context& ctx, const Tensor& q, std::span<const CausalSequence> sequences,
                     int64_t heads, int64_t kv_heads) {
  VILA_CHECK(q.rank() == 2 && heads > 0 && q.dim(1) % heads == 0 && kv_heads > 0 &&
                 heads % kv_heads == 0 && q.dim(1) / heads <= kernels::kMaxHeadDim,
             "{} heads, {} key heads in q {}", heads, kv_heads, q.text());
  const Tensor out = arena_tensor(ctx.arena, DType::f32, q.shape());
  int64_t most_blocks = 0;
  for (const CausalSequence& sequence : sequences) {
    check_sequence(sequence, q);
    most_blocks = std::max(most_blocks, blocks_of(ctx, sequence.rows));
  }
  const CausalHead head_args{q, out, heads, kv_heads};
  const auto count = static_cast<int64_t>(sequences.size());
  ctx.pool.parallel_for(count * heads * most_blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const CausalSequence& sequence = sequences[static_cast<size_t>(task / most_blocks / heads)];
      // The last blocks see the most keys: start with them.
      const int64_t block = most_blocks - 1 - task % most_blocks;
      if (block >= blocks_of(ctx, sequence.rows)) continue;
      attend_part(ctx, head_args.args(sequence, task / most_blocks % heads), block);
    }
  });
  return out;
}

}  // namespace vila::ops
