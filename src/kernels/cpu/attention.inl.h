// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/attention_pairs.inl.h"
#include "kernels/cpu/attention_stream.inl.h"
#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/kv.inl.h"
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

/// What the tiles multiply: floats as they are. Pairs (attention_pairs.inl.h) are the other choice.
struct Floats {
  using Step = FloatStep;
  static constexpr int64_t kSteps = 1;  // elements of depth in a word

  static void join_neighbours(const Matrix&) {}

  static void join_rows(const Matrix&) {}
};

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

/// Packs and scales queries [first, first + count) and clears what is summed.
template <typename Words>
void start_panel(const AttentionArgs& args, int64_t first, int64_t count, QueryPanel& panel) {
  const F32 scale = isa::set(args.scale);
  const int64_t size = args.head_dim * kTileColumns;
  float* scaled = panel.mixed;  // still free
  for (int64_t i = 0; i < count; ++i) {
    map(args.q + (first + i) * args.q_stride, args.head_dim, scaled + i * args.head_dim,
        [scale](F32 x) { return isa::mul(x, scale); });
  }
  Words::join_neighbours({scaled, count, args.head_dim});
  const int64_t words = args.head_dim / Words::kSteps;
  pack_weights(scaled, words, count, words, panel.query);
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
  bool has_finite_values;
};

static_assert(kMaxHeadDim <= kDepthBlock, "a key is one depth block of pack_rows()");

/// scores [keys][queries] = the first `keys` keys of a block times the panel's queries.
template <typename Words>
void score_block(const KeyBlock& block, int64_t keys, int64_t head_dim, const QueryPanel& panel,
                 float* scores) {
  alignas(64) static constexpr float kZeros[kTileColumns] = {};
  const int64_t words = head_dim / Words::kSteps;
  for (int64_t j = 0; j < keys; j += isa::kTileRows) {
    run_tile_of<typename Words::Step>(least(keys - j, isa::kTileRows),
                                      {.a = block.keys + j * words,
                                       .a_step = least(block.count - j, isa::kTileRows),
                                       .b = panel.query,
                                       .depth = words,
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

/// mixed [E][queries] += values of this block, transposed, times the exponentials, which become
/// words.
template <typename Words>
void mix_block(const float* values, int64_t keys, int64_t head_dim, float* weights,
               QueryPanel& panel) {
  Words::join_rows({weights, keys, kTileColumns});
  for (int64_t e = 0; e < head_dim; e += isa::kTileRows) {
    float* mixed = panel.mixed + e * kTileColumns;
    run_tile_of<typename Words::Step>(least(head_dim - e, isa::kTileRows),
                                      {.a = values + e,
                                       .a_step = head_dim,
                                       .b = weights,
                                       .depth = (keys + Words::kSteps - 1) / Words::kSteps,
                                       .start = mixed,
                                       .start_stride = kTileColumns,
                                       .y = mixed,
                                       .y_stride = kTileColumns,
                                       .columns = panel.columns});
  }
}

/// mix_block() where some value is no finite number, which times a weight of 0 would reach queries
/// that do not see it: the same sums without what a query does not see.
inline void mix_seen(const float* values, int64_t first_key, int64_t keys, int64_t head_dim,
                     const float* weights, QueryPanel& panel) {
  for (int64_t e = 0; e < head_dim; ++e) {
    for (int64_t i = 0; i < panel.columns; i += kLanes) {
      float* mixed = panel.mixed + e * kTileColumns + i;
      const F32 seen = isa::load(panel.seen + i);
      F32 sum = isa::load(mixed);
      for (int64_t j = 0; j < keys; ++j) {
        const F32 weight = isa::load(weights + j * kTileColumns + i);
        const F32 more = isa::fma(isa::set(values[j * head_dim + e]), weight, sum);
        sum = isa::select_greater(seen, isa::set(static_cast<float>(first_key + j)), more, sum);
      }
      isa::store(mixed, sum);
    }
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
template <typename Words>
void load_keys(const AttentionArgs& args, int64_t first, int64_t count, KeyBlock& block) {
  const int64_t words = args.head_dim / Words::kSteps;
  block.count = count;
  // Keys wait where the values will lie until they are packed.
  widen_vectors(args, args.k, args.k_scales, {first, count}, block.values);
  Words::join_neighbours({block.values, count, args.head_dim});
  pack_rows({.x = block.values,
             .x_stride = words,
             .rows = count,
             .depth = words,
             .panel_rows = isa::kTileRows,
             .row_begin = 0,
             .row_end = count,
             .packed = block.keys});
  widen_vectors(args, args.v, args.v_scales, {first, count}, block.values);
  block.has_finite_values = is_finite(block.values, count * args.head_dim);
  Words::join_rows({block.values, count, args.head_dim});
}

/// Takes the first `keys` keys of a block, the first of which is key `first`, into a panel.
template <typename Words>
void mix_keys(const KeyBlock& block, int64_t first, int64_t keys, int64_t head_dim,
              QueryPanel& panel, float* scores) {
  score_block<Words>(block, keys, head_dim, panel, scores);
  const bool is_masked = first + keys > panel.seen_by_all;
  if (is_masked) mask_block(first, keys, panel, scores);
  soften_block(keys, head_dim, panel, scores);
  if (is_masked && !block.has_finite_values) {
    mix_seen(block.values, first, keys, head_dim, scores, panel);
  } else {
    mix_block<Words>(block.values, keys, head_dim, scores, panel);
  }
}

/// Queries [first, first + count), count <= kQueryBlock.
template <typename Words>
void attend_block(const AttentionArgs& args, int64_t first, int64_t count) {
  alignas(64) QueryPanel panels[kQueryPanels];
  alignas(64) KeyBlock block;
  alignas(64) float scores[kKeyBlock * kTileColumns];
  const int64_t used = (count + kTileColumns - 1) / kTileColumns;
  for (int64_t p = 0; p < used; ++p) {
    const int64_t begin = p * kTileColumns;
    start_panel<Words>(args, first + begin, least(kTileColumns, count - begin), panels[p]);
  }
  const int64_t seen_by_any = panels[used - 1].seen_by_any;
  for (int64_t key = 0; key < seen_by_any; key += kKeyBlock) {
    load_keys<Words>(args, key, least(kKeyBlock, seen_by_any - key), block);
    for (int64_t p = 0; p < used; ++p) {
      const int64_t keys = least(kKeyBlock, panels[p].seen_by_any - key);
      if (keys > 0) mix_keys<Words>(block, key, keys, args.head_dim, panels[p], scores);
    }
  }
  for (int64_t p = 0; p < used; ++p) {
    const int64_t begin = p * kTileColumns;
    finish_panel(args, first + begin, least(kTileColumns, count - begin), panels[p]);
  }
}

/// One head of queries, blocked.
template <typename Words>
void attend_head(const AttentionArgs& args) {
  for (int64_t first = 0; first < args.queries; first += kQueryBlock) {
    attend_block<Words>(args, first, least(kQueryBlock, args.queries - first));
  }
}

/// The same in pairs of bf16 where that is allowed and the table has them; Value is F32. A masked
/// key could share a word with one that is seen: those stay floats.
template <typename Value>
void attend_blocked(const AttentionArgs& args) {
  if constexpr (MultipliesPairs<Value>) {
    if (args.may_round && !args.causal && args.head_dim % 2 == 0)
      return attend_head<Pairs<Value>>(args);
  }
  attend_head<Floats>(args);
}

void attend(const AttentionArgs& args) noexcept {
  if (args.streams) return attend_stream(args);
  for (int64_t head = 0; head < args.heads; ++head) {
    AttentionArgs one = args;
    one.q += head * args.head_dim;
    one.out += head * args.head_dim;
    attend_blocked<F32>(one);
  }
}

}  // namespace
}  // namespace vila::kernels
