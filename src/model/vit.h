// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "model/layers.h"
#include "spec/config.h"

namespace vila::model {

using ActivationOp = Tensor (*)(ops::Context&, const Tensor&);

/// One pre-norm encoder layer of CLIP (docs/model.md, eq. 4-6). Immutable.
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

/// CLIP's vision transformer up to the layer that VILA selects (docs/model.md, eq. 2-7). Immutable.
class Vit {
 public:
  /// @param w  the place of the tower's tensors ("…vision_tower.vision_model").
  Vit(const Weights& w, const spec::VilaConfig& config);

  /// Pixels [N, 3, S, S] f32 to the selected features [N * tokens, C].
  Tensor operator()(ops::Context& ctx, const Tensor& pixels) const;

 private:
  Tensor embed(ops::Context& ctx, const Tensor& pixels) const;
  Tensor select(ops::Context& ctx, const Tensor& x, int64_t pictures) const;

  spec::VisionConfig config_;
  int64_t tokens_;  // rows of a picture that are passed on
  Linear patch_embedding_;
  Tensor class_embedding_;     // [C]
  Tensor position_embedding_;  // [1 + patches, C]
  LayerNorm pre_layernorm_;
  std::vector<VitLayer> layers_;  // those up to the selected one
};

}  // namespace vila::model
