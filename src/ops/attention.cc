// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>

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
                 sequence.length >= sequence.rows && sequence.kv.keys != nullptr &&
                 sequence.kv.values != nullptr &&
                 (sequence.kv.dtype != DType::i8 ||
                  (sequence.kv.key_scales != nullptr && sequence.kv.value_scales != nullptr)),
             "rows {} + {} of q {}, length {}", sequence.row_begin, sequence.rows, q.text(),
             sequence.length);
}

/// Element `index` of vectors of `dtype`.
void* element(void* vectors, DType dtype, int64_t index) {
  return static_cast<char*>(vectors) + index * static_cast<int64_t>(dtype_size(dtype));
}

const float* scales_of(const float* scales, int64_t first) {
  return scales == nullptr ? nullptr : scales + first;
}

/// Heads of one sequence as the kernel wants them: `together` of those that share keys.
struct CausalHeads {
  const Tensor& q;
  const Tensor& out;
  int64_t heads;
  int64_t kv_heads;
  int64_t together;

  AttentionArgs args(const CausalSequence& sequence, int64_t part) const {
    const int64_t size = q.dim(1) / heads;
    const int64_t head = part * together;
    const int64_t kv_head = head / (heads / kv_heads);
    const int64_t first = sequence.row_begin * q.dim(1) + head * size;
    const KvView& kv = sequence.kv;
    return {.q = q.data<float>() + first,
            .q_stride = q.dim(1),
            .k = element(kv.keys, kv.dtype, kv_head * kv.head_stride),
            .v = element(kv.values, kv.dtype, kv_head * kv.head_stride),
            .kv_stride = kv.token_stride,
            .out = out.data<float>() + first,
            .out_stride = q.dim(1),
            .queries = sequence.rows,
            .keys = sequence.length,
            .head_dim = size,
            .first_seen = sequence.length - sequence.rows + 1,
            .causal = true,
            .scale = softmax_scale(size),
            .kv_dtype = kv.dtype,
            .k_scales = scales_of(kv.key_scales, kv_head * kv.scale_stride),
            .v_scales = scales_of(kv.value_scales, kv_head * kv.scale_stride),
            .heads = together,
            .streams = sequence.streams};
  }
};

/// How many query heads a task takes. Heads that share keys read them once when they stream
/// together; where that leaves threads without work, each is a task. The result is the same.
int64_t heads_together(const Context& ctx, std::span<const CausalSequence> sequences, int64_t heads,
                       int64_t kv_heads) {
  const bool streams = std::ranges::all_of(sequences, &CausalSequence::streams);
  const int64_t tasks = static_cast<int64_t>(sequences.size()) * kv_heads;
  return streams && tasks >= ctx.pool.size() ? heads / kv_heads : 1;
}

/// Vector t of head `kv_head`, rounded to what the cache holds.
void store_vector(const Context& ctx, const KvView& kv, bool is_key, int64_t kv_head, int64_t t,
                  std::span<const float> vector) {
  const auto size = static_cast<int64_t>(vector.size());
  void* target = element(is_key ? kv.keys : kv.values, kv.dtype,
                         kv_head * kv.head_stride + t * kv.token_stride);
  if (kv.dtype == DType::i8) {
    float* scales = is_key ? kv.key_scales : kv.value_scales;
    float sum = 0;  // of the codes: products with unsigned codes need it, attention does not
    ctx.kernels.quantise_rows({.x = vector.data(),
                               .x_stride = size,
                               .rows = 1,
                               .depth = size,
                               .group = size,
                               .panel_rows = 1,
                               .row_begin = 0,
                               .row_end = 1,
                               .codes = static_cast<int8_t*>(target),
                               .scales = scales + kv_head * kv.scale_stride + t,
                               .sums = &sum});
  } else if (kv.dtype == DType::f16) {
    ctx.kernels.narrow(vector.data(), size, static_cast<f16*>(target));
  } else {
    std::memcpy(target, vector.data(), vector.size_bytes());
  }
}

}  // namespace

Tensor attend_full(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                   int64_t sequences, int64_t heads, bool may_round) {
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
                   .scale = softmax_scale(size),
                   .may_round = may_round},
                  task % blocks);
    }
  });
  return out;
}

void store_kv(Context& ctx, const Tensor& keys, const Tensor& values,
              std::span<const CausalSequence> sequences, int64_t kv_heads) {
  VILA_CHECK(keys.rank() == 2 && values.shape() == keys.shape() && kv_heads > 0 &&
                 keys.dim(1) % kv_heads == 0,
             "{} heads in keys {}, values {}", kv_heads, keys.text(), values.text());
  const int64_t size = keys.dim(1) / kv_heads;
  for (const CausalSequence& sequence : sequences) {
    check_sequence(sequence, keys);
    ctx.pool.parallel_for(
        sequence.rows, rows_per_task(keys.dim(1)), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin * kv_heads; i < end * kv_heads; ++i) {
            const int64_t token = sequence.length - sequence.rows + i / kv_heads;
            const int64_t first = (sequence.row_begin * kv_heads + i) * size;
            for (const bool is_key : {true, false}) {
              const float* vector = (is_key ? keys : values).data<float>() + first;
              store_vector(ctx, sequence.kv, is_key, i % kv_heads, token,
                           {vector, static_cast<size_t>(size)});
            }
          }
        });
  }
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
  const auto count = static_cast<int64_t>(sequences.size());
  const int64_t together = heads_together(ctx, sequences, heads, kv_heads);
  const CausalHeads head_args{q, out, heads, kv_heads, together};
  const int64_t parts = heads / together;
  ctx.pool.parallel_for(count * parts * most_blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const CausalSequence& sequence = sequences[static_cast<size_t>(task / most_blocks / parts)];
      // The last blocks see the most keys: start with them.
      const int64_t block = most_blocks - 1 - task % most_blocks;
      if (block >= blocks_of(ctx, sequence.rows)) continue;
      attend_part(ctx, head_args.args(sequence, task / most_blocks % parts), block);
    }
  });
  return out;
}

}  // namespace vila::ops
