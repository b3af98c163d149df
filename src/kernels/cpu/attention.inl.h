// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/math.inl.h"
#include "kernels/cpu/norm.inl.h"
#include "kernels/kernels.h"

/// Attention of one head, blocked over queries and keys (Dao et al., "FlashAttention", 2022) so
/// that the scores never leave the cache. Scores and results are kept transposed, one query per
/// lane: softmax is then plain vertical arithmetic, and both products are tiles of gemm.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

// Queries of one block share the packing of its keys: 128 of them make that a tenth of the work.
inline constexpr int64_t kQueryPanels = kTileColumns >= 32 ? 4 : 8;
inline constexpr int64_t kQueryBlock = kQueryPanels * kTileColumns;
// Keys done together: whole tiles, about 128.
inline constexpr int64_t kKeyBlock = 128 / isa::kTileRows * isa::kTileRows;
// Where a masked score stands: small enough to vanish, finite so that differences stay numbers.
inline constexpr float kMasked = -1e30F;

/// What one block of queries carries over the blocks of keys, kTileColumns queries side by side.
struct QueryPanel {
  float query[kMaxHeadDim * kTileColumns];  // [E][queries], scaled
  float mixed[kMaxHeadDim * kTileColumns];  // [E][queries], not yet divided by `total`
  float most[kTileColumns];                 // running maximum of the scores
  float total[kTileColumns];                // running sum of the exponentials
  float seen[kTileColumns];                 // keys that each query sees
  int64_t columns;                          // queries, rounded up to whole vectors
  int64_t seen_by_any;
  int64_t seen_by_all;
};

/// Keys that query `query` sees: the first so many.
inline int64_t keys_seen(const AttentionArgs& args, int64_t query) {
  return args.causal ? least(args.keys, args.first_seen + query) : args.keys;
}

/// Packs and scales queries [first, first + count) and clears what is summed.
inline void start_panel(const AttentionArgs& args, int64_t first, int64_t count,
                        QueryPanel& panel) {
  pack_weights(args.q + first * args.q_stride, args.q_stride, count, args.head_dim, panel.query);
  const F32 scale = isa::set(args.scale);
  const int64_t size = args.head_dim * kTileColumns;
  map(panel.query, size, panel.query, [scale](F32 x) { return isa::mul(x, scale); });
  for (int64_t i = 0; i < size; ++i)
    panel.mixed[i] = 0.0F;
  for (int64_t i = 0; i < kTileColumns; ++i) {
    panel.most[i] = kMasked;
    panel.total[i] = 0.0F;
    panel.seen[i] = static_cast<float>(keys_seen(args, first + least(i, count - 1)));
  }
  panel.columns = least((count + kLanes - 1) / kLanes * kLanes, kTileColumns);
  panel.seen_by_any = keys_seen(args, first + count - 1);
  panel.seen_by_all = keys_seen(args, first);
}

/// Keys of one block packed as pack_rows() does, values copied side by side: rows of a cache lie
/// kilobytes apart, which would evict one another from L1.
struct KeyBlock {
  float keys[kKeyBlock * kMaxHeadDim];
  float values[kKeyBlock * kMaxHeadDim];
  int64_t count;
};

static_assert(kMaxHeadDim <= kDepthBlock, "a key is one depth block of pack_rows()");

/// scores [keys][queries] = the first `keys` keys of a block times the panel's queries.
inline void score_block(const KeyBlock& block, int64_t keys, int64_t head_dim,
                        const QueryPanel& panel, float* scores) {
  alignas(64) static constexpr float kZeros[kTileColumns] = {};
  for (int64_t j = 0; j < keys; j += isa::kTileRows) {
    run_tile_of(least(keys - j, isa::kTileRows), {.a = block.keys + j * head_dim,
                                                  .a_step = least(block.count - j, isa::kTileRows),
                                                  .b = panel.query,
                                                  .depth = head_dim,
                                                  .start = kZeros,
                                                  .start_stride = 0,
                                                  .y = scores + j * kTileColumns,
                                                  .y_stride = kTileColumns,
                                                  .columns = panel.columns});
  }
}

/// Sets scores of keys that a query does not see to kMasked; `first_key` is the key of row 0.
inline void mask_block(int64_t first_key, int64_t keys, const QueryPanel& panel, float* scores) {
  for (int64_t j = 0; j < keys; ++j) {
    const F32 key = isa::set(static_cast<float>(first_key + j));
    for (int64_t i = 0; i < panel.columns; i += kLanes) {
      float* score = scores + j * kTileColumns + i;
      isa::store(score, isa::select_greater(isa::load(panel.seen + i), key, isa::load(score),
                                            isa::set(kMasked)));
    }
  }
}

/// Turns scores into exponentials under the new maximum and rescales what was summed before.
inline void soften_block(int64_t keys, int64_t head_dim, QueryPanel& panel, float* scores) {
  for (int64_t i = 0; i < panel.columns; i += kLanes) {
    const F32 before = isa::load(panel.most + i);
    F32 most = before;
    for (int64_t j = 0; j < keys; ++j) {
      most = isa::max(most, isa::load(scores + j * kTileColumns + i));
    }
    const F32 factor = exp(isa::sub(before, most));
    F32 total = isa::mul(isa::load(panel.total + i), factor);
    for (int64_t j = 0; j < keys; ++j) {
      float* score = scores + j * kTileColumns + i;
      const F32 weight = exp(isa::sub(isa::load(score), most));
      total = isa::add(total, weight);
      isa::store(score, weight);
    }
    isa::store(panel.most + i, most);
    isa::store(panel.total + i, total);
    for (int64_t e = 0; e < head_dim; ++e) {
      float* mixed = panel.mixed + e * kTileColumns + i;
      isa::store(mixed, isa::mul(isa::load(mixed), factor));
    }
  }
}

/// mixed [E][queries] += values of this block, transposed, times the exponentials.
inline void mix_block(const float* values, int64_t keys, int64_t head_dim, const float* weights,
                      QueryPanel& panel) {
  for (int64_t e = 0; e < head_dim; e += isa::kTileRows) {
    float* mixed = panel.mixed + e * kTileColumns;
    run_tile_of(least(head_dim - e, isa::kTileRows), {.a = values + e,
                                                      .a_step = head_dim,
                                                      .b = weights,
                                                      .depth = keys,
                                                      .start = mixed,
                                                      .start_stride = kTileColumns,
                                                      .y = mixed,
                                                      .y_stride = kTileColumns,
                                                      .columns = panel.columns});
  }
}

/// Divides by the sums and writes queries [first, first + count) to args.out.
inline void finish_panel(const AttentionArgs& args, int64_t first, int64_t count,
                         QueryPanel& panel) {
  for (int64_t i = 0; i < panel.columns; i += kLanes) {
    const F32 factor = isa::div(isa::set(1.0F), isa::load(panel.total + i));
    for (int64_t e = 0; e < args.head_dim; ++e) {
      float* mixed = panel.mixed + e * kTileColumns + i;
      isa::store(mixed, isa::mul(isa::load(mixed), factor));
    }
  }
  int64_t e = 0;
  for (; e + kLanes <= args.head_dim; e += kLanes) {
    for (int64_t i = 0; i < count; i += kLanes) {
      F32 block[kLanes];
      Rows<float>(panel.mixed + e * kTileColumns + i, kTileColumns, kLanes).load_words(0, block);
      for (int64_t j = 0; j < least(kLanes, count - i); ++j) {
        isa::store(args.out + (first + i + j) * args.out_stride + e, block[j]);
      }
    }
  }
  for (; e < args.head_dim; ++e) {
    for (int64_t i = 0; i < count; ++i) {
      args.out[(first + i) * args.out_stride + e] = panel.mixed[e * kTileColumns + i];
    }
  }
}

/// Fills `block` with keys and values [first, first + count).
inline void load_keys(const AttentionArgs& args, int64_t first, int64_t count, KeyBlock& block) {
  block.count = count;
  pack_rows({.x = args.k + first * args.kv_stride,
             .x_stride = args.kv_stride,
             .rows = count,
             .depth = args.head_dim,
             .panel_rows = isa::kTileRows,
             .row_begin = 0,
             .row_end = count,
             .packed = block.keys});
  for (int64_t j = 0; j < count; ++j) {
    __builtin_memcpy(block.values + j * args.head_dim, args.v + (first + j) * args.kv_stride,
                     static_cast<uint64_t>(args.head_dim) * sizeof(float));
  }
}

/// Takes the first `keys` keys of a block, the first of which is key `first`, into a panel.
inline void mix_keys(const KeyBlock& block, int64_t first, int64_t keys, int64_t head_dim,
                     QueryPanel& panel, float* scores) {
  score_block(block, keys, head_dim, panel, scores);
  if (first + keys > panel.seen_by_all) mask_block(first, keys, panel, scores);
  soften_block(keys, head_dim, panel, scores);
  mix_block(block.values, keys, head_dim, scores, panel);
}

/// Queries [first, first + count), count <= kQueryBlock.
inline void attend_block(const AttentionArgs& args, int64_t first, int64_t count) {
  alignas(64) QueryPanel panels[kQueryPanels];
  alignas(64) KeyBlock block;
  alignas(64) float scores[kKeyBlock * kTileColumns];
  const int64_t used = (count + kTileColumns - 1) / kTileColumns;
  for (int64_t p = 0; p < used; ++p) {
    const int64_t begin = p * kTileColumns;
    start_panel(args, first + begin, least(kTileColumns, count - begin), panels[p]);
  }
  const int64_t seen_by_any = panels[used - 1].seen_by_any;
  for (int64_t key = 0; key < seen_by_any; key += kKeyBlock) {
    load_keys(args, key, least(kKeyBlock, seen_by_any - key), block);
    for (int64_t p = 0; p < used; ++p) {
      const int64_t keys = least(kKeyBlock, panels[p].seen_by_any - key);
      if (keys > 0) mix_keys(block, key, keys, args.head_dim, panels[p], scores);
    }
  }
  for (int64_t p = 0; p < used; ++p) {
    const int64_t begin = p * kTileColumns;
    finish_panel(args, first + begin, least(kTileColumns, count - begin), panels[p]);
  }
}

/// Dot products of one query with `count` keys, four at a time.
inline void score_keys(const float* query, const AttentionArgs& args, int64_t first, int64_t count,
                       float* scores) {
  constexpr int64_t kTogether = 4;
  for (int64_t j = 0; j < count; j += kTogether) {
    const float* key[kTogether];
    F32 sum[kTogether];
    for (int64_t i = 0; i < kTogether; ++i) {
      key[i] = args.k + (first + least(j + i, count - 1)) * args.kv_stride;
      sum[i] = isa::zero();
    }
    for (int64_t e = 0; e < args.head_dim; e += kLanes) {
      const int64_t lanes = least(kLanes, args.head_dim - e);
      const F32 x = isa::load_partial(query + e, lanes);
      for (int64_t i = 0; i < kTogether; ++i) {
        sum[i] = isa::fma(isa::load_partial(key[i] + e, lanes), x, sum[i]);
      }
    }
    for (int64_t i = 0; i < kTogether && j + i < count; ++i) {
      scores[j + i] = isa::reduce_add(sum[i]) * args.scale;
    }
  }
}

/// mixed [E] = factor * mixed + sum_j weights[j] * v[first + j].
inline void mix_values(const AttentionArgs& args, int64_t first, int64_t count,
                       const float* weights, float factor, float* mixed) {
  for (int64_t e = 0; e < args.head_dim; e += 2 * kLanes) {
    const int64_t low = least(kLanes, args.head_dim - e);
    const int64_t rest = args.head_dim - e - low;
    const int64_t high = least(kLanes, rest);
    const float* value = args.v + first * args.kv_stride + e;
    F32 sum_low = isa::mul(isa::set(factor), isa::load_partial(mixed + e, low));
    F32 sum_high = isa::mul(isa::set(factor), isa::load_partial(mixed + e + low, high));
    for (int64_t j = 0; j < count; ++j, value += args.kv_stride) {
      const F32 weight = isa::set(weights[j]);
      sum_low = isa::fma(weight, isa::load_partial(value, low), sum_low);
      sum_high = isa::fma(weight, isa::load_partial(value + low, high), sum_high);
    }
    isa::store_partial(mixed + e, low, sum_low);
    isa::store_partial(mixed + e + low, high, sum_high);
  }
}

/// One query that sees keys [0, seen): a stream over keys and values.
inline void attend_one(const AttentionArgs& args, int64_t query, int64_t seen) {
  constexpr int64_t kStreamBlock = 256;
  alignas(64) float scores[kStreamBlock];
  float* out = args.out + query * args.out_stride;
  for (int64_t e = 0; e < args.head_dim; ++e)
    out[e] = 0.0F;
  float most = kMasked;
  float total = 0.0F;
  for (int64_t key = 0; key < seen; key += kStreamBlock) {
    const int64_t keys = least(kStreamBlock, seen - key);
    score_keys(args.q + query * args.q_stride, args, key, keys, scores);
    const float before = most;
    const float block_most = largest(scores, keys);
    most = block_most > most ? block_most : most;
    const F32 shift = isa::set(most);
    map(scores, keys, scores, [shift](F32 x) { return exp(isa::sub(x, shift)); });
    float factor = before - most;
    map(&factor, 1, &factor, Exp{});
    total = total * factor + sum(scores, keys);
    mix_values(args, key, keys, scores, factor, out);
  }
  const F32 factor = isa::set(1.0F / total);
  map(out, args.head_dim, out, [factor](F32 x) { return isa::mul(x, factor); });
}

void attend(const AttentionArgs& args) noexcept {
  if (args.queries <= kFewQueries) {
    for (int64_t i = 0; i < args.queries; ++i) {
      attend_one(args, i, keys_seen(args, i));
    }
    return;
  }
  for (int64_t first = 0; first < args.queries; first += kQueryBlock) {
    attend_block(args, first, least(kQueryBlock, args.queries - first));
  }
}

}  // namespace
}  // namespace vila::kernels
