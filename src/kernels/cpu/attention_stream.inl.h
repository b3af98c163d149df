// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/kv.inl.h"
#include "kernels/cpu/math.inl.h"
#include "kernels/cpu/norm.inl.h"
#include "kernels/kernels.h"

/// Attention of few queries: one pass over keys and values where they lie, converted in registers.
/// Each query is computed as if it were alone, so that its bits do not depend on the others; a
/// block of keys stays in L1 while all of them take it.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

// Where a masked score stands: small enough to vanish, finite so that differences stay numbers.
inline constexpr float kMasked = -1e30F;
// Keys of a block: 64 vectors of 128 halves are 16 KiB, half of an L1.
inline constexpr int64_t kStreamBlock = 64;
// Queries (of all heads) that share a block.
inline constexpr int64_t kStreamQueries = 16;
// Vectors of the result that stay in registers while values pass: a line of i8, and enough sums to
// cover the latency of a multiply-add.
inline constexpr int kMixVectors = kLanes == 1 ? 8 : 64 / kLanes;

/// Keys that query `query` sees: the first so many.
inline int64_t keys_seen(const AttentionArgs& args, int64_t query) {
  return args.causal ? least(args.keys, args.first_seen + query) : args.keys;
}

/// Lane i is the sum of all lanes of vector i.
inline F32 add_across(const F32 (&sum)[kLanes]) {
  alignas(64) float lanes[kLanes * kLanes];
  const void* row[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) {
    isa::store(lanes + i * kLanes, sum[i]);
    row[i] = lanes + i * kLanes;
  }
  F32 column[kLanes];
  isa::load_transposed(row, column);
  F32 total = column[0];
  for (int64_t i = 1; i < kLanes; ++i)
    total = isa::add(total, column[i]);
  return total;
}

/// scores[j] = scale * query . keys[first + j]; kLanes keys at a time.
template <typename T>
void score_keys(const AttentionArgs& args, const float* query, KvRange range, float* scores) {
  const T* keys = static_cast<const T*>(args.k) + range.first * args.kv_stride;
  const int64_t whole = args.head_dim / kLanes * kLanes;
  for (int64_t j = 0; j < range.count; j += kLanes) {
    const int64_t count = least(kLanes, range.count - j);
    const Rows<T> rows(keys + j * args.kv_stride, args.kv_stride, count);
    F32 sum[kLanes];
    for (int64_t i = 0; i < kLanes; ++i)
      sum[i] = isa::zero();
    for (int64_t e = 0; e < whole; e += kLanes) {
      const F32 x = isa::load(query + e);
      for (int64_t i = 0; i < kLanes; ++i)
        sum[i] = isa::fma(isa::widen(rows.row[i] + e), x, sum[i]);
    }
    if (const int64_t rest = args.head_dim - whole; rest > 0) {
      const F32 x = isa::load_partial(query + whole, rest);
      for (int64_t i = 0; i < kLanes; ++i)
        sum[i] = isa::fma(widen_partial(rows.row[i] + whole, rest), x, sum[i]);
    }
    F32 score = isa::mul(add_across(sum), isa::set(args.scale));
    if (args.k_scales != nullptr) {
      score = isa::mul(score, isa::load_partial(args.k_scales + range.first + j, count));
    }
    isa::store_partial(scores + j, count, score);
  }
}

/// Values of a block, their weights, and what the result so far is multiplied with.
template <typename T>
struct MixArgs {
  const T* values;
  int64_t stride;
  const float* weights;
  int64_t count;
  float factor;
};

/// mixed = factor * mixed + sum_j weights[j] * values[j], for kVectors whole vectors.
template <typename T, int kVectors>
void mix_vectors(const MixArgs<T>& args, int64_t e, float* mixed) {
  const F32 factor = isa::set(args.factor);
  F32 sum[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v)
    sum[v] = isa::mul(factor, isa::load(mixed + e + v * kLanes));
  const T* value = args.values + e;
  for (int64_t j = 0; j < args.count; ++j, value += args.stride) {
    const F32 weight = isa::set(args.weights[j]);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      sum[v] = isa::fma(weight, isa::widen(value + v * kLanes), sum[v]);
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v)
    isa::store(mixed + e + v * kLanes, sum[v]);
}

/// The same for the last `count` < kLanes elements.
template <typename T>
void mix_rest(const MixArgs<T>& args, int64_t e, int64_t count, float* mixed) {
  F32 sum = isa::mul(isa::set(args.factor), isa::load_partial(mixed + e, count));
  const T* value = args.values + e;
  for (int64_t j = 0; j < args.count; ++j, value += args.stride)
    sum = isa::fma(isa::set(args.weights[j]), widen_partial(value, count), sum);
  isa::store_partial(mixed + e, count, sum);
}

template <typename T>
void mix_values(const MixArgs<T>& args, int64_t head_dim, float* mixed) {
  int64_t e = 0;
  for (; e + kMixVectors * kLanes <= head_dim; e += kMixVectors * kLanes)
    mix_vectors<T, kMixVectors>(args, e, mixed);
  for (; e + kLanes <= head_dim; e += kLanes)
    mix_vectors<T, 1>(args, e, mixed);
  if (e < head_dim) mix_rest(args, e, head_dim - e, mixed);
}

/// What one query carries over the blocks of keys; its result so far is in args.out.
struct StreamState {
  float most = kMasked;  // running maximum of the scores
  float total = 0.0F;    // running sum of the exponentials
};

/// Takes keys and values of `range` into the result of one query.
template <typename T>
void stream_block(const AttentionArgs& args, const float* query, KvRange range, StreamState& state,
                  float* out) {
  alignas(64) float scores[kStreamBlock];
  score_keys<T>(args, query, range, scores);
  const float before = state.most;
  const float block_most = largest(scores, range.count);
  state.most = block_most > before ? block_most : before;
  const F32 shift = isa::set(state.most);
  map(scores, range.count, scores, [shift](F32 x) { return exp(isa::sub(x, shift)); });
  float factor = before - state.most;
  map(&factor, 1, &factor, Exp{});
  state.total = state.total * factor + sum(scores, range.count);
  if (args.v_scales != nullptr) {
    map(scores, args.v_scales + range.first, range.count, scores,
        [](F32 weight, F32 scale) { return isa::mul(weight, scale); });
  }
  const T* values = static_cast<const T*>(args.v) + range.first * args.kv_stride;
  mix_values<T>({values, args.kv_stride, scores, range.count, factor}, args.head_dim, out);
}

/// Queries [first, first + count) of queries * heads, count <= kStreamQueries; heads inside.
template <typename T>
void stream_queries(const AttentionArgs& args, int64_t first, int64_t count) {
  StreamState states[kStreamQueries];
  const auto query_at = [&](int64_t i) {
    return args.q + i / args.heads * args.q_stride + i % args.heads * args.head_dim;
  };
  const auto out_at = [&](int64_t i) {
    return args.out + i / args.heads * args.out_stride + i % args.heads * args.head_dim;
  };
  for (int64_t i = first; i < first + count; ++i)
    map(out_at(i), args.head_dim, out_at(i), [](F32) { return isa::zero(); });
  const int64_t seen_by_any = keys_seen(args, (first + count - 1) / args.heads);
  for (int64_t key = 0; key < seen_by_any; key += kStreamBlock) {
    for (int64_t i = first; i < first + count; ++i) {
      const int64_t keys = least(kStreamBlock, keys_seen(args, i / args.heads) - key);
      if (keys <= 0) continue;
      stream_block<T>(args, query_at(i), {key, keys}, states[i - first], out_at(i));
    }
  }
  for (int64_t i = first; i < first + count; ++i) {
    const F32 factor = isa::set(1.0F / states[i - first].total);
    map(out_at(i), args.head_dim, out_at(i), [factor](F32 x) { return isa::mul(x, factor); });
  }
}

template <typename T>
void attend_stream_of(const AttentionArgs& args) {
  const int64_t all = args.queries * args.heads;
  for (int64_t first = 0; first < all; first += kStreamQueries)
    stream_queries<T>(args, first, least(kStreamQueries, all - first));
}

inline void attend_stream(const AttentionArgs& args) {
  switch (args.kv_dtype) {
    case DType::f16:
      return attend_stream_of<f16>(args);
    case DType::i8:
      return attend_stream_of<int8_t>(args);
    default:
      return attend_stream_of<float>(args);
  }
}

}  // namespace
}  // namespace vila::kernels
