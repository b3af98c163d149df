// SPDX-License-Identifier: Apache-2.0
#include "model/vit.h"

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

// The convolution's weight [C, 3, p, p] as the matrix [C, 3 p p] of a Linear.
Tensor as_matrix(const Tensor& weight) {
  return weight.reshape({weight.dim(0), -1});
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
  const Tensor q = q_proj(ctx, x);  // [N * P, H * E]
  const Tensor k = k_proj(ctx, x);
  const Tensor v = v_proj(ctx, x);
  return out_proj(ctx, ops::attend_full(ctx, q, k, v, pictures, heads));  // [N * P, C]
}

Tensor VitLayer::mlp(ops::Context& ctx, const Tensor& x) const {
  return fc2(ctx, activation(ctx, fc1(ctx, x)));  // [N * P, C]
}

//   h = x + Attention(LayerNorm(x))   (4)
//   y = h + Mlp(LayerNorm(h))         (5)
Tensor VitLayer::operator()(ops::Context& ctx, const Tensor& x, int64_t pictures) const {
  const Tensor h = ops::add(ctx, x, attention(ctx, layer_norm1(ctx, x), pictures));
  return ops::add(ctx, h, mlp(ctx, layer_norm2(ctx, h)));  // [N * P, C]
}

Vit::Vit(const Weights& w, const spec::VilaConfig& config)
    : config_(*config.vision),
      tokens_(config.tokens_per_image()),
      patch_embedding_(as_matrix((w / "embeddings" / "patch_embedding").tensor("weight"))),
      class_embedding_((w / "embeddings").vector("class_embedding")),
      position_embedding_((w / "embeddings" / "position_embedding").vector("weight")),
      pre_layernorm_(w / "pre_layrnorm", config_.layer_norm_eps) {
  for (int64_t i = 0; i < config.vision_layers_used(); ++i) {
    layers_.emplace_back(w / "encoder" / "layers" / i, config_, fmt::format("vision.layer.{}", i));
  }
}

// z = [class; W_patch patches] + positions   (2)
Tensor Vit::embed(ops::Context& ctx, const Tensor& pixels) const {
  const int64_t pictures = pixels.dim(0);
  const int64_t patches = config_.patches();
  const int64_t width = config_.hidden_size;
  const Tensor rows =
      patch_embedding_(ctx, ops::patchify(ctx, pixels, config_.patch_size));  // [N * patches, C]
  Tensor z = arena_tensor(ctx.arena, DType::f32, {pictures * (patches + 1), width});
  const float* positions = position_embedding_.data<float>();
  ctx.pool.parallel_for(z.dim(0), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t position = row % (patches + 1);
      const int64_t picture = row / (patches + 1);
      const float* source = position == 0
                                ? class_embedding_.data<float>()
                                : rows.data<float>() + (picture * patches + position - 1) * width;
      float* target = z.data<float>() + row * width;
      for (int64_t i = 0; i < width; ++i)
        target[i] = source[i] + positions[position * width + i];
    }
  });
  return z;
}

// The last rows of every picture: without the class token for "patch", all for "cls_patch"   (7)
Tensor Vit::select(ops::Context& ctx, const Tensor& x, int64_t pictures) const {
  const int64_t all = config_.patches() + 1;
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
  const Shape by_picture{pictures, config_.patches() + 1, config_.hidden_size};
  ctx.observe("vision.pixels", pixels);
  const Tensor z = embed(ctx, pixels);  // [N * P, C]
  ctx.observe("vision.embeddings", z.reshape(by_picture));
  const Tensor x = pre_layernorm_(ctx, z);  // [N * P, C] (3)
  ctx.observe("vision.pre_layernorm", x.reshape(by_picture));
  for (const VitLayer& layer : layers_) {
    apply_in_place(ctx, x, [&](const Tensor& rows) { return layer(ctx, rows, pictures); });
    ctx.observe(layer.name, x.reshape(by_picture));
  }
  return select(ctx, x, pictures);  // [N * tokens, C]
}

}  // namespace vila::model
