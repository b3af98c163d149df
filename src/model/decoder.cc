// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "base/error.h"

namespace vila::model {
namespace {

// The last row of each sequence: [sequences, D].
Tensor last_rows(ops::Context& ctx, const Tensor& x, const Batch& batch) {
  const int64_t width = x.dim(1);
  const auto count = static_cast<int64_t>(batch.sequences.size());
  Tensor last = arena_tensor(ctx.arena, DType::f32, {count, width});
  int64_t end = 0;
  for (int64_t i = 0; i < count; ++i) {
    end += batch.sequences[static_cast<size_t>(i)].rows;
    std::memcpy(last.data<float>() + i * width, x.data<float>() + (end - 1) * width,
                static_cast<size_t>(width) * sizeof(float));
  }
  return last;
}

Linear output_matrix(const Weights& root, const spec::DecoderConfig& config) {
  if (!config.tie_word_embeddings) return Linear(root / "lm_head");
  Linear shared((root / "model" / "embed_tokens").matrix("weight"));
  shared.change = LowRank::find(root / "lm_head");  // of the table as embeddings it is another
  return shared;
}

// The frequencies of Llama 3.1: long waves are stretched by `factor`, short ones kept, those
// between mixed (12b). Source: _compute_llama3_parameters of transformers.
float stretch_llama3(float frequency, const spec::RopeScaling& scaling) {
  const auto original = static_cast<double>(scaling.original_positions);
  const double wavelength = 2 * std::numbers::pi / static_cast<double>(frequency);
  if (wavelength < original / scaling.high_freq_factor) return frequency;
  const double stretched = static_cast<double>(frequency) / scaling.factor;
  if (wavelength > original / scaling.low_freq_factor) return static_cast<float>(stretched);
  const double share = (original / wavelength - scaling.low_freq_factor) /
                       (scaling.high_freq_factor - scaling.low_freq_factor);
  return static_cast<float>((1 - share) * stretched + share * static_cast<double>(frequency));
}

}  // namespace

std::vector<float> rope_frequencies(const spec::DecoderConfig& config) {
  std::vector<float> frequencies = ops::rope_frequencies(config.head_dim, config.rope_theta);
  for (float& frequency : frequencies) {
    if (config.rope_scaling.kind == spec::RopeScaling::Kind::linear) {
      frequency = static_cast<float>(static_cast<double>(frequency) / config.rope_scaling.factor);
    } else if (config.rope_scaling.kind == spec::RopeScaling::Kind::llama3) {
      frequency = stretch_llama3(frequency, config.rope_scaling);
    }
  }
  return frequencies;
}

Batch::Batch(std::span<const SequenceStep> steps, int64_t max_positions) : sequences(steps) {
  int64_t row = 0;
  for (const SequenceStep& step : steps) {
    VILA_CHECK(step.cache != nullptr && step.rows > 0);
    const int64_t begin = step.cache->length();
    const int64_t length = begin + step.rows;
    VILA_CHECK(length <= std::min(step.cache->capacity(), max_positions),
               "{} tokens in a cache for {}, {} positions", length, step.cache->capacity(),
               max_positions);
    for (int64_t p = begin; p < length; ++p)
      positions.push_back(static_cast<int32_t>(p));
    extents_.push_back(
        {.row_begin = row, .rows = step.rows, .length = length, .kv = {}, .streams = step.streams});
    row += step.rows;
  }
}

std::vector<ops::CausalSequence> Batch::at_layer(int64_t layer) const {
  std::vector<ops::CausalSequence> result = extents_;
  for (size_t i = 0; i < result.size(); ++i)
    result[i].kv = sequences[i].cache->view(layer);
  return result;
}

Attention::Attention(const Weights& w, const spec::DecoderConfig& config, int64_t layer_index)
    : q_proj(w / "q_proj"),
      k_proj(w / "k_proj"),
      v_proj(w / "v_proj"),
      o_proj(w / "o_proj"),
      heads(config.num_attention_heads),
      kv_heads(config.num_key_value_heads),
      head_dim(config.head_dim),
      layer(layer_index) {}

Tensor Attention::operator()(ops::Context& ctx, const Tensor& x, const Batch& batch,
                             const ops::RopeTable& rope) const {
  const std::vector<Tensor> qkv = apply_each(ctx, x, {&q_proj, &k_proj, &v_proj});
  Tensor q = qkv[0].reshape({-1, heads, head_dim});     // [T, H, E]
  Tensor k = qkv[1].reshape({-1, kv_heads, head_dim});  // [T, G, E]
  const Tensor& v = qkv[2];                             // [T, G * E]

  ops::rotate(ctx, rope, batch.positions, q);  // (12)
  ops::rotate(ctx, rope, batch.positions, k);
  const std::vector<ops::CausalSequence> sequences = batch.at_layer(layer);
  ops::store_kv(ctx, k.reshape({-1, kv_heads * head_dim}), v, sequences, kv_heads);

  q = q.reshape({-1, heads * head_dim});
  return o_proj(ctx, ops::attend_causal(ctx, q, sequences, heads, kv_heads));  // (13)
}

SwiGlu::SwiGlu(const Weights& w)
    : gate_proj(w / "gate_proj"), up_proj(w / "up_proj"), down_proj(w / "down_proj") {}

// W_down (silu(W_gate x) * W_up x)   (14)
Tensor SwiGlu::operator()(ops::Context& ctx, const Tensor& x) const {
  const std::vector<Tensor> both = apply_each(ctx, x, {&gate_proj, &up_proj});
  return down_proj(ctx, ops::silu_mul(ctx, both[0], both[1]));  // [T, D]
}

DecoderLayer::DecoderLayer(const Weights& w, const spec::DecoderConfig& config, int64_t index)
    : input_layernorm(w / "input_layernorm", config.rms_norm_eps),
      self_attn(w / "self_attn", config, index),
      post_attention_layernorm(w / "post_attention_layernorm", config.rms_norm_eps),
      mlp(w / "mlp"),
      name(fmt::format("layer.{}", index)) {}

//   h = x + Attention(RmsNorm(x))   (10)
//   y = h + SwiGlu(RmsNorm(h))      (11)
Tensor DecoderLayer::operator()(ops::Context& ctx, const Tensor& x, const Batch& batch,
                                const ops::RopeTable& rope) const {
  const Tensor h = ops::add(ctx, x, self_attn(ctx, input_layernorm(ctx, x), batch, rope));
  return ops::add(ctx, h, mlp(ctx, post_attention_layernorm(ctx, h)));  // [T, D]
}

Decoder::Decoder(const Weights& root, const spec::DecoderConfig& config, int64_t max_positions)
    : max_positions_(max_positions),
      embed_tokens_(root / "model" / "embed_tokens"),
      norm_(root / "model" / "norm", config.rms_norm_eps),
      lm_head_(output_matrix(root, config)),
      rope_(ops::make_rope_table(max_positions, rope_frequencies(config))) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers_.emplace_back(root / "model" / "layers" / i, config, i);
  }
}

Tensor Decoder::embed(ops::Context& ctx, std::span<const int32_t> ids) const {
  return embed_tokens_(ctx, ids);
}

Tensor Decoder::operator()(ops::Context& ctx, const Tensor& rows,
                           std::span<const SequenceStep> sequences, bool all_rows) const {
  const Batch batch(sequences, max_positions_);
  VILA_CHECK(static_cast<int64_t>(batch.positions.size()) == rows.dim(0));
  Tensor x = arena_tensor(ctx.arena, DType::f32, rows.shape());  // [T, D]
  std::memcpy(x.raw(), rows.raw(), rows.nbytes());
  for (const DecoderLayer& layer : layers_) {
    apply_in_place(ctx, x, [&](const Tensor& h) { return layer(ctx, h, batch, rope_); });
    ctx.observe(layer.name, x);
  }
  for (const SequenceStep& step : sequences)
    step.cache->advance(step.rows);
  x = norm_(ctx, x);
  ctx.observe("norm", x);
  const Tensor logits =
      lm_head_(ctx, all_rows ? x : last_rows(ctx, x, batch));  // [sequences or T, V] (15)
  ctx.observe("logits", logits);
  return logits;
}

}  // namespace vila::model
