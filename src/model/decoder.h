// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/kv_cache.h"
#include "model/layers.h"
#include "spec/config.h"

namespace vila::model {

/// Frequencies of the rotary positions, [E/2], stretched as the config says (docs/model.md, eq. 12,
/// 12b).
std::vector<float> rope_frequencies(const spec::DecoderConfig& config);

/// How many rows of a packed step belong to a sequence, and where its past is kept. With `streams`
/// attention takes the order of sums of decoding: rows then have the same bits one at a time and
/// several in one step. Without, that of a prefill: the same bits however a prompt is cut.
struct SequenceStep {
  KvCache* cache = nullptr;
  int64_t rows = 0;
  bool streams = false;
};

/// The rows of one step: all sequences one after the other, and the position of each row. Made once
/// per step, used by every layer.
struct Batch {
  Batch(std::span<const SequenceStep> steps, int64_t max_positions);

  /// What store_kv() and attend_causal() need to know of every sequence in that layer.
  std::vector<ops::CausalSequence> at_layer(int64_t layer) const;

  std::span<const SequenceStep> sequences;
  std::vector<int32_t> positions;  // [T]

 private:
  std::vector<ops::CausalSequence> extents_;  // of the sequences, without keys and values
};

/// Causal self-attention with a cache (docs/model.md, eq. 12, 13). Immutable.
struct Attention {
  Linear q_proj, k_proj, v_proj, o_proj;
  int64_t heads, kv_heads, head_dim, layer;

  Attention(const Weights& w, const spec::DecoderConfig& config, int64_t layer_index);
  Tensor operator()(ops::Context& ctx, const Tensor& x, const Batch& batch,
                    const ops::RopeTable& rope) const;
};

/// The gated feed-forward of Llama (docs/model.md, eq. 14). Immutable.
struct SwiGlu {
  Linear gate_proj, up_proj, down_proj;

  explicit SwiGlu(const Weights& w);
  Tensor operator()(ops::Context& ctx, const Tensor& x) const;
};

/// One pre-norm layer (docs/model.md, eq. 10, 11). Immutable.
struct DecoderLayer {
  RmsNorm input_layernorm;
  Attention self_attn;
  RmsNorm post_attention_layernorm;
  SwiGlu mlp;
  std::string name;  // "layer.3", for the observer

  DecoderLayer(const Weights& w, const spec::DecoderConfig& config, int64_t index);
  Tensor operator()(ops::Context& ctx, const Tensor& x, const Batch& batch,
                    const ops::RopeTable& rope) const;
};

/// Llama: token table, layers, final norm, output matrix. Immutable.
class Decoder {
 public:
  /// @param root  the place of all tensors.
  Decoder(const Weights& root, const spec::DecoderConfig& config, int64_t max_positions);

  /// Ids to rows [ids, D].
  Tensor embed(ops::Context& ctx, std::span<const int32_t> ids) const;

  /// Runs the rows [T, D] of a packed batch and appends to the caches.
  /// @return logits of the last row of each sequence [sequences, V], or of all rows [T, V].
  Tensor operator()(ops::Context& ctx, const Tensor& rows, std::span<const SequenceStep> sequences,
                    bool all_rows) const;

 private:
  int64_t max_positions_;
  Embedding embed_tokens_;
  std::vector<DecoderLayer> layers_;
  RmsNorm norm_;
  Linear lm_head_;
  ops::RopeTable rope_;
};

}  // namespace vila::model
