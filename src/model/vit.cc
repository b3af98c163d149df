// SPDX-License-Identifier: Apache-2.0
#include "model/vit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace vila::model {
namespace {

ActivationOp activation_op(spec::Activation activation) {
  switch (activation) {
    case spec::Activation::quick_gelu:
      return ops::quick_gelu;
    case spec::Activation::gelu:
      return ops::gelu;
    case spec::Activation::gelu_tanh:
      return ops::gelu_tanh;
    case spec::Activation::silu:
      break;
  }
  fail(ErrorCode::invalid_config,
       "vision_config.hidden_act: expected quick_gelu, gelu or gelu_pytorch_tanh, found silu");
}

// Tables [from, C] of positions for `to` patches: row i lies at p = i / (to - 1) * (from - 1), read
// row after row as if the map were a line, between its neighbours. As in the reference, which has
// (p - floor p) * above + (ceil p - p) * below, a row with a whole p is zero: the first and the
// last always are.   (2b)
Tensor resize_positions(const Tensor& table, int64_t to) {
  const int64_t from = table.dim(0);
  if (from == to) return table;
  const int64_t width = table.dim(1);
  const Tensor resized = Tensor::empty(DType::f32, {to, width});
  for (int64_t i = 0; i < to; ++i) {
    const float place =
        static_cast<float>(i) / static_cast<float>(to - 1) * static_cast<float>(from - 1);
    const float below = std::floor(place);
    const float above = std::ceil(place);
    const float* low = table.data<float>() + static_cast<int64_t>(below) * width;
    const float* high =
        table.data<float>() + std::min(static_cast<int64_t>(above), from - 1) * width;
    float* target = resized.data<float>() + i * width;
    for (int64_t c = 0; c < width; ++c)
      target[c] = (place - below) * high[c] + (above - place) * low[c];
  }
  return resized;
}

// The convolution as a Linear: its weight [C, 3, p, p] is the matrix [C, 3 p p].
Linear patch_linear(const Weights& w) {
  Linear linear(w);
  const Tensor weight = w.tensor("weight");
  linear.weight = weight.reshape({weight.dim(0), -1});
  return linear;
}

Tensor class_embedding(const Weights& embeddings, const spec::VisionConfig& config) {
  if (!config.has_class_token()) return {};
  return embeddings.vector("class_embedding").reshape({config.hidden_size});
}

// InternViT's table is a parameter with a batch axis, the others' that of an Embedding.
Tensor position_embedding(const Weights& embeddings, const spec::VisionConfig& config) {
  const Tensor table = config.tower == spec::Tower::intern
                           ? embeddings.vector("position_embedding")
                           : (embeddings / "position_embedding").vector("weight");
  const Tensor rows = table.reshape({config.stored_rows(), config.hidden_size});
  return resize_positions(rows, config.rows());
}

// Part `index` of three of a fused Linear of 3 * width outputs.
Linear third(const Weights& w, int64_t width, int64_t index) {
  const Linear whole(w);
  Linear part(rows(whole.weight, index * width, (index + 1) * width));
  if (whole.bias.defined()) part.bias = whole.bias.rows(index * width, (index + 1) * width);
  if (whole.change) part.change = whole.change->rows(index * width, (index + 1) * width);
  return part;
}

// What a norm puts out, shown as "vision.layer.3.norm1": int8 towers are smoothed by it.
const Tensor& shown(ops::Context& ctx, const std::string& layer, const char* norm,
                    const Tensor& x) {
  if (ctx.observer) ctx.observe(layer + norm, x);
  return x;
}

// Attention between Linears in 8 bits may be rounded as well, but to bf16: 8 bits are too few for
// the many small weights of a softmax.
bool may_round(const ops::Context& ctx, const Linear& q) {
  return std::holds_alternative<PackedMatrix>(q.weight) &&
         ctx.packed_activations == ops::PackedActivations::int8;
}

std::optional<RmsNorm> optional_norm(const Weights& w, double epsilon) {
  if (!w.has("weight")) return std::nullopt;
  return RmsNorm(w, epsilon);
}

}  // namespace

VitLayer::VitLayer(const Weights& w, const spec::VisionConfig& config, std::string layer_name)
    : layer_norm1(w / "layer_norm1", config.layer_norm_eps),
      q_proj(w / "self_attn" / "q_proj"),
      k_proj(w / "self_attn" / "k_proj"),
      v_proj(w / "self_attn" / "v_proj"),
      out_proj(w / "self_attn" / "out_proj"),
      layer_norm2(w / "layer_norm2", config.layer_norm_eps),
      fc1(w / "mlp" / "fc1"),
      fc2(w / "mlp" / "fc2"),
      activation(activation_op(config.hidden_act)),
      heads(config.num_attention_heads),
      name(std::move(layer_name)) {}

// softmax(q k^T / sqrt(E)) v within each picture   (6)
Tensor VitLayer::attention(ops::Context& ctx, const Tensor& x, int64_t pictures) const {
  const std::vector<Tensor> qkv =
      apply_each(ctx, x, {&q_proj, &k_proj, &v_proj});  // [N * P, H * E]
  const Tensor mixed =
      ops::attend_full(ctx, qkv[0], qkv[1], qkv[2], pictures, heads, may_round(ctx, q_proj));
  return out_proj(ctx, mixed);  // [N * P, C]
}

Tensor VitLayer::mlp(ops::Context& ctx, const Tensor& x) const {
  return fc2(ctx, activation(ctx, fc1(ctx, x)));  // [N * P, C]
}

//   h = x + Attention(LayerNorm(x))   (4)
//   y = h + Mlp(LayerNorm(h))         (5)
Tensor VitLayer::operator()(ops::Context& ctx, const Tensor& x, int64_t pictures) const {
  const Tensor a = layer_norm1(ctx, x);
  const Tensor h = ops::add(ctx, x, attention(ctx, shown(ctx, name, ".norm1", a), pictures));
  const Tensor b = layer_norm2(ctx, h);
  return ops::add(ctx, h, mlp(ctx, shown(ctx, name, ".norm2", b)));  // [N * P, C]
}

InternLayer::InternLayer(const Weights& w, const spec::VisionConfig& config, std::string layer_name)
    : norm1(w / "norm1", config.layer_norm_eps),
      q(third(w / "attn" / "qkv", config.hidden_size, 0)),
      k(third(w / "attn" / "qkv", config.hidden_size, 1)),
      v(third(w / "attn" / "qkv", config.hidden_size, 2)),
      q_norm(optional_norm(w / "attn" / "q_norm", config.layer_norm_eps)),
      k_norm(optional_norm(w / "attn" / "k_norm", config.layer_norm_eps)),
      proj(w / "attn" / "proj"),
      ls1(w.vector("ls1")),
      norm2(w / "norm2", config.layer_norm_eps),
      fc1(w / "mlp" / "fc1"),
      fc2(w / "mlp" / "fc2"),
      ls2(w.vector("ls2")),
      activation(activation_op(config.hidden_act)),
      heads(config.num_attention_heads),
      name(std::move(layer_name)) {}

// softmax(norm(q) norm(k)^T / sqrt(E)) v within each picture   (6b)
Tensor InternLayer::attention(ops::Context& ctx, const Tensor& x, int64_t pictures) const {
  const std::vector<Tensor> qkv = apply_each(ctx, x, {&q, &k, &v});  // [N * P, H * E]
  const Tensor queries = q_norm ? (*q_norm)(ctx, qkv[0]) : qkv[0];
  const Tensor keys = k_norm ? (*k_norm)(ctx, qkv[1]) : qkv[1];
  const Tensor mixed =
      ops::attend_full(ctx, queries, keys, qkv[2], pictures, heads, may_round(ctx, q));
  return proj(ctx, mixed);
}

Tensor InternLayer::mlp(ops::Context& ctx, const Tensor& x) const {
  return fc2(ctx, activation(ctx, fc1(ctx, x)));  // [N * P, C]
}

//   h = x + s1 * Attention(RmsNorm(x))   (4b)
//   y = h + s2 * Mlp(RmsNorm(h))         (5b)
Tensor InternLayer::operator()(ops::Context& ctx, const Tensor& x, int64_t pictures) const {
  const Tensor a = attention(ctx, shown(ctx, name, ".norm1", norm1(ctx, x)), pictures);
  const Tensor h = ops::add_scaled(ctx, x, a, ls1);
  const Tensor b = mlp(ctx, shown(ctx, name, ".norm2", norm2(ctx, h)));
  return ops::add_scaled(ctx, h, b, ls2);  // [N * P, C]
}

Vit::Vit(const Weights& w, const spec::VilaConfig& config)
    : config_(*config.vision),
      tokens_(config.tower_tokens()),
      patch_embedding_(patch_linear(w / "embeddings" / "patch_embedding")),
      class_embedding_(class_embedding(w / "embeddings", config_)),
      position_embedding_(position_embedding(w / "embeddings", config_)) {
  if (config_.tower == spec::Tower::clip) {
    pre_layernorm_.emplace(w / "pre_layrnorm", config_.layer_norm_eps);
  }
  for (int64_t i = 0; i < config.vision_layers_used(); ++i) {
    const Weights place = w / "encoder" / "layers" / i;
    const std::string name = fmt::format("vision.layer.{}", i);
    if (config_.tower == spec::Tower::intern) {
      layers_.emplace_back(InternLayer(place, config_, name));
    } else {
      layers_.emplace_back(VitLayer(place, config_, name));
    }
  }
}

// z = [class; W_patch patches + b] + positions   (2)
Tensor Vit::embed(ops::Context& ctx, const Tensor& pixels) const {
  const int64_t pictures = pixels.dim(0);
  const int64_t patches = config_.patches();
  const int64_t all = config_.rows();
  const int64_t width = config_.hidden_size;
  const Tensor rows =
      patch_embedding_(ctx, ops::patchify(ctx, pixels, config_.patch_size));  // [N * patches, C]
  Tensor z = arena_tensor(ctx.arena, DType::f32, {pictures * all, width});
  const float* positions = position_embedding_.data<float>();
  ctx.pool.parallel_for(z.dim(0), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t position = row % all;
      const int64_t patch = position - (all - patches);  // -1: the class token
      const float* source = patch < 0 ? class_embedding_.data<float>()
                                      : rows.data<float>() + (row / all * patches + patch) * width;
      ctx.kernels.add(source, positions + position * width, width, z.data<float>() + row * width);
    }
  });
  return z;
}

// The last rows of every picture: without the class token for "patch", all for "cls_patch"   (7)
Tensor Vit::select(ops::Context& ctx, const Tensor& x, int64_t pictures) const {
  const int64_t all = config_.rows();
  const int64_t width = config_.hidden_size;
  Tensor features = arena_tensor(ctx.arena, DType::f32, {pictures * tokens_, width});
  const auto bytes = static_cast<size_t>(tokens_ * width) * sizeof(float);
  for (int64_t n = 0; n < pictures; ++n) {
    std::memcpy(features.data<float>() + n * tokens_ * width,
                x.data<float>() + (n * all + all - tokens_) * width, bytes);
  }
  return features;
}

Tensor Vit::operator()(ops::Context& ctx, const Tensor& pixels) const {
  const int64_t pictures = pixels.dim(0);
  const Shape by_picture{pictures, config_.rows(), config_.hidden_size};
  ctx.observe("vision.pixels", pixels);
  Tensor x = embed(ctx, pixels);  // [N * P, C]
  ctx.observe("vision.embeddings", x.reshape(by_picture));
  if (pre_layernorm_) {
    x = (*pre_layernorm_)(ctx, x);  // [N * P, C] (3)
    ctx.observe("vision.pre_layernorm", x.reshape(by_picture));
  }
  for (const Layer& any : layers_) {
    std::visit(
        [&](const auto& layer) {
          apply_in_place(ctx, x, [&](const Tensor& rows) { return layer(ctx, rows, pictures); });
          ctx.observe(layer.name, x.reshape(by_picture));
        },
        any);
  }
  return select(ctx, x, pictures);  // [N * tokens, C]
}

}  // namespace vila::model
