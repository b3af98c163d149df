// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/layers.h"
#include "spec/config.h"

namespace vila::model {

using ActivationOp = Tensor (*)(ops::Context&, const Tensor&);

/// One pre-norm encoder layer of CLIP or SigLIP (docs/model.md, eq. 4-6). Immutable.
struct VitLayer {
  LayerNorm layer_norm1;
  Linear q_proj, k_proj, v_proj, out_proj;
  LayerNorm layer_norm2;
  Linear fc1, fc2;
  ActivationOp activation;
  int64_t heads;
  std::string name;  // "vision.layer.3", for the observer

  VitLayer(const Weights& w, const spec::VisionConfig& config, std::string layer_name);

  /// x [N * P, C], N pictures of P rows.
  Tensor operator()(ops::Context& ctx, const Tensor& x, int64_t pictures) const;

 private:
  Tensor attention(ops::Context& ctx, const Tensor& x, int64_t pictures) const;
  Tensor mlp(ops::Context& ctx, const Tensor& x) const;
};

/// One encoder layer of InternViT (docs/model.md, eq. 4b-6b): RMS norms, queries and keys
/// normalised over all heads together, a learned scale for each channel of either branch.
/// Immutable.
struct InternLayer {
  RmsNorm norm1;
  Linear q, k, v;  // the thirds of attn.qkv
  std::optional<RmsNorm> q_norm, k_norm;
  Linear proj;
  Tensor ls1;  // [C]
  RmsNorm norm2;
  Linear fc1, fc2;
  Tensor ls2;  // [C]
  ActivationOp activation;
  int64_t heads;
  std::string name;

  InternLayer(const Weights& w, const spec::VisionConfig& config, std::string layer_name);

  /// x [N * P, C], N pictures of P rows.
  Tensor operator()(ops::Context& ctx, const Tensor& x, int64_t pictures) const;

 private:
  Tensor attention(ops::Context& ctx, const Tensor& x, int64_t pictures) const;
  Tensor mlp(ops::Context& ctx, const Tensor& x) const;
};

/// A vision transformer up to the layer that VILA selects (docs/model.md, eq. 2-7): CLIP, SigLIP
/// (no class token, no norm in front) or InternViT (layers of its own). Immutable.
class Vit {
 public:
  /// @param w  the place of the tower's tensors ("…vision_tower.vision_model").
  Vit(const Weights& w, const spec::VilaConfig& config);

  /// Pixels [N, 3, S, S] f32 to the selected features [N * tokens, C].
  Tensor operator()(ops::Context& ctx, const Tensor& pixels) const;

 private:
  using Layer = std::variant<VitLayer, InternLayer>;

  Tensor embed(ops::Context& ctx, const Tensor& pixels) const;
  Tensor select(ops::Context& ctx, const Tensor& x, int64_t pictures) const;

  spec::VisionConfig config_;
  int64_t tokens_;  // rows of a picture that are passed on
  Linear patch_embedding_;
  Tensor class_embedding_;     // [C]; undefined: none
  Tensor position_embedding_;  // [rows, C]
  std::optional<LayerNorm> pre_layernorm_;
  std::vector<Layer> layers_;  // those up to the selected one
};

}  // namespace vila::model
