// SPDX-License-Identifier: Apache-2.0
#include "quantize/block.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "model/decoder.h"
#include "quantize/grid.h"

namespace vila::quantize {
namespace {

constexpr std::array<const char*, kLinears> kNames = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

// Rows that are computed together: enough for a full product, few enough for the arena and for a
// search to stop early.
constexpr int64_t kRowsPerPart = 512;

Shape weight_shape(size_t linear, const spec::DecoderConfig& config) {
  const int64_t width = config.hidden_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  switch (linear) {
    case kQ:
      return {queries, width};
    case kK:
    case kV:
      return {keys, width};
    case kO:
      return {width, queries};
    case kDown:
      return {width, config.intermediate_size};
    default:
      return {config.intermediate_size, width};
  }
}

Tensor take(const formats::TensorMap& tensors, const std::string& name, const Shape& shape) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    fail(ErrorCode::invalid_model, "\"{}\": expected {}, found no such tensor", name, shape.text());
  }
  if (!(found->second.shape() == shape) || !is_weight_dtype(found->second.dtype())) {
    fail(ErrorCode::invalid_model, "\"{}\": expected {} of f32, f16 or bf16, found {}", name,
         shape.text(), found->second.text());
  }
  Tensor copy = found->second.to(DType::f32);
  check_finite(copy, name);
  return copy;
}

}  // namespace

const char* linear_name(size_t linear) noexcept {
  return kNames[linear];
}

std::string Block::prefix() const {
  return fmt::format("model.layers.{}.", index);
}

std::string Block::name(size_t linear) const {
  return prefix() + kNames[linear];
}

Block load_block(const formats::TensorMap& tensors, const spec::DecoderConfig& config,
                 int64_t index) {
  Block block;
  block.index = index;
  const Shape width = {config.hidden_size};
  block.input_norm = take(tensors, block.prefix() + "input_layernorm.weight", width);
  block.post_attention_norm =
      take(tensors, block.prefix() + "post_attention_layernorm.weight", width);
  for (size_t i = 0; i < kLinears; ++i) {
    const Shape shape = weight_shape(i, config);
    block.linears[i].weight = take(tensors, block.name(i) + ".weight", shape);
    const bool has_bias = config.has_qkv_bias && i <= kV;
    if (has_bias) block.linears[i].bias = take(tensors, block.name(i) + ".bias", {shape[0]});
  }
  return block;
}

const Tensor& BlockInputs::of(size_t linear) const {
  if (linear <= kV) return attention;
  if (linear == kO) return output;
  return linear == kDown ? down : mlp;
}

BlockRunner::BlockRunner(ops::Context& ctx, const spec::DecoderConfig& config,
                         std::vector<int64_t> lengths)
    : ctx_(ctx),
      config_(config),
      lengths_(std::move(lengths)),
      rows_(std::accumulate(lengths_.begin(), lengths_.end(), int64_t{0})) {
  VILA_CHECK(!lengths_.empty());
  rope_ =
      ops::make_rope_table(*std::ranges::max_element(lengths_), model::rope_frequencies(config));
}

bool BlockRunner::store(Tensor& whole, int64_t first, const Tensor& rows) const {
  if (!whole.defined()) whole = Tensor::empty(DType::f32, {rows_, rows.dim(1)});
  std::memcpy(whole.rows(first, first + rows.dim(0)).raw(), rows.raw(), rows.nbytes());
  return true;
}

void BlockRunner::each_part(const Tensor& x, const Visit& visit, const Compute& compute) const {
  for (int64_t begin = 0; begin < x.dim(0); begin += kRowsPerPart) {
    const ArenaScope scope(ctx_.arena);
    if (!visit(begin, compute(x.rows(begin, std::min(begin + kRowsPerPart, x.dim(0)))))) return;
  }
}

Tensor BlockRunner::apply(const BlockLinear& linear, const Tensor& x) const {
  return ops::linear(ctx_, x, linear.weight, linear.bias);
}

// Rows of whole sequences: softmax(q k^T / sqrt(E)) v with rotated q and k, causal in each.
Tensor BlockRunner::mixed_rows(const Block& block, const Tensor& x,
                               std::span<const int64_t> lengths) const {
  const int64_t heads = config_.num_attention_heads;
  const int64_t kv_heads = config_.num_key_value_heads;
  Tensor q = apply(block.linears[kQ], x).reshape({-1, heads, config_.head_dim});
  Tensor k = apply(block.linears[kK], x).reshape({-1, kv_heads, config_.head_dim});
  const Tensor v = apply(block.linears[kV], x);
  std::vector<int32_t> positions;
  std::vector<ops::CausalSequence> sequences;
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    for (int64_t p = 0; p < length; ++p)
      positions.push_back(static_cast<int32_t>(p));
    const int64_t width = kv_heads * config_.head_dim;
    sequences.push_back({.row_begin = begin,
                         .rows = length,
                         .length = length,
                         .kv = {.keys = k.data<float>() + begin * width,
                                .values = v.data<float>() + begin * width,
                                .head_stride = config_.head_dim,
                                .token_stride = width}});
    begin += length;
  }
  ops::rotate(ctx_, rope_, positions, q);
  ops::rotate(ctx_, rope_, positions, k);
  return ops::attend_causal(ctx_, q.reshape({-1, heads * config_.head_dim}), sequences, heads,
                            kv_heads);
}

void BlockRunner::mix(const Block& block, const Tensor& x, const Visit& visit) const {
  int64_t begin = 0;
  for (size_t first = 0; first < lengths_.size();) {
    size_t last = first;
    int64_t end = begin;
    do {
      end += lengths_[last++];
    } while (last < lengths_.size() && end - begin + lengths_[last] <= kRowsPerPart);
    const ArenaScope scope(ctx_.arena);
    const auto lengths = std::span(lengths_).subspan(first, last - first);
    if (!visit(begin, mixed_rows(block, x.rows(begin, end), lengths))) return;
    begin = end;
    first = last;
  }
}

Tensor BlockRunner::gated_rows(const Block& block, const Tensor& x) const {
  return ops::silu_mul(ctx_, apply(block.linears[kGate], x), apply(block.linears[kUp], x));
}

void BlockRunner::attention(const Block& block, const Tensor& x, const Visit& visit) const {
  mix(block, x, [&](int64_t first, const Tensor& rows) {
    return visit(first, apply(block.linears[kO], rows));
  });
}

void BlockRunner::mlp(const Block& block, const Tensor& x, const Visit& visit) const {
  each_part(x, visit, [&](const Tensor& rows) {
    return apply(block.linears[kDown], gated_rows(block, rows));
  });
}

void BlockRunner::linear(const BlockLinear& linear, const Tensor& x, const Visit& visit) const {
  each_part(x, visit, [&](const Tensor& rows) { return apply(linear, rows); });
}

void BlockRunner::gate_up(const Block& block, const Tensor& x, const Visit& visit) const {
  each_part(x, visit, [&](const Tensor& rows) { return gated_rows(block, rows); });
}

void BlockRunner::norm(const Tensor& weight, const Tensor& x, const Visit& visit) const {
  each_part(x, visit, [&](const Tensor& rows) {
    return ops::rms_norm(ctx_, rows, weight, config_.rms_norm_eps);
  });
}

BlockInputs BlockRunner::run(const Block& block, const Tensor& x) const {
  BlockInputs inputs;
  inputs.attention = collect([&](const Visit& visit) { norm(block.input_norm, x, visit); });
  inputs.output = collect([&](const Visit& visit) { mix(block, inputs.attention, visit); });
  // h = x + Attention(norm(x)), kept where the result will stand
  const auto add = [&](const Tensor& base) {
    return [&, base](int64_t first, const Tensor& rows) {
      return store(inputs.result, first,
                   ops::add(ctx_, base.rows(first, first + rows.dim(0)), rows));
    };
  };
  linear(block.linears[kO], inputs.output, add(x));
  inputs.mlp =
      collect([&](const Visit& visit) { norm(block.post_attention_norm, inputs.result, visit); });
  inputs.down = collect([&](const Visit& visit) { gate_up(block, inputs.mlp, visit); });
  linear(block.linears[kDown], inputs.down, add(inputs.result));
  return inputs;
}

Tensor BlockRunner::result(const Block& block, const Tensor& x) const {
  Tensor y;
  const auto add = [&](const Tensor& base) {
    return [&, base](int64_t first, const Tensor& rows) {
      return store(y, first, ops::add(ctx_, base.rows(first, first + rows.dim(0)), rows));
    };
  };
  const Tensor normal = collect([&](const Visit& visit) { norm(block.input_norm, x, visit); });
  attention(block, normal, add(x));
  const Tensor again =
      collect([&](const Visit& visit) { norm(block.post_attention_norm, y, visit); });
  mlp(block, again, add(y));
  return y;
}

}  // namespace vila::quantize
