// SPDX-License-Identifier: Apache-2.0
#include "train/torch_vision.h"

#include "base/error.h"
#include "train/attention.h"
#include "train/layers.h"
#include "train/torch_compat.h"

namespace vila::train {
namespace {

/// One linear or norm of the tower, by the name without ".weight".
class Tower {
 public:
  Tower(const ParameterSet& parameters, const spec::VisionConfig& config, Precision precision)
      : parameters_(parameters), config_(config), precision_(precision) {}

  at::Tensor project(const at::Tensor& x, const std::string& name) const {
    return linear(x, get(name + ".weight"), get(name + ".bias"), precision_);
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name, Precision precision) const {
    return layer_norm(x, get(name + ".weight"), get(name + ".bias"), config_.layer_norm_eps,
                      precision);
  }

  at::Tensor activate(const at::Tensor& x) const {
    switch (config_.hidden_act) {
      case spec::Activation::quick_gelu:
        return quick_gelu(x);
      case spec::Activation::gelu:
        return at::gelu(x);
      case spec::Activation::gelu_tanh:
        return at::gelu(x, "tanh");
      case spec::Activation::silu:
        break;
    }
    return at::silu(x);
  }

  const at::Tensor& get(const std::string& name) const {
    return parameters_.at(spec::kVisionPrefix + name);
  }

 private:
  const ParameterSet& parameters_;
  const spec::VisionConfig& config_;
  Precision precision_;
};

/// Patches as rows, times the patch convolution as one matrix; class token in front; positions.
at::Tensor embed(const Tower& tower, const spec::VisionConfig& config, const at::Tensor& pixels,
                 Precision precision) {
  const int64_t n = pixels.size(0);
  const int64_t p = config.patch_size;
  const int64_t grid = config.grid();
  const at::Tensor patches = pixels.narrow(2, 0, grid * p)
                                 .narrow(3, 0, grid * p)
                                 .reshape({n, config.num_channels, grid, p, grid, p})
                                 .permute({0, 2, 4, 1, 3, 5})
                                 .reshape({n * grid * grid, config.num_channels * p * p});
  const at::Tensor kernel =
      tower.get("embeddings.patch_embedding.weight").reshape({config.hidden_size, -1});
  const at::Tensor rows = linear(patches, kernel, {}, precision).to(at::kFloat);
  const at::Tensor first = tower.get("embeddings.class_embedding")
                               .reshape({1, 1, -1})
                               .expand({n, 1, config.hidden_size});
  return at::cat({first, rows.view({n, grid * grid, config.hidden_size})}, 1) +
         tower.get("embeddings.position_embedding.weight");
}

}  // namespace

at::Tensor vision_embed(const ParameterSet& parameters, const spec::VisionConfig& config,
                        const at::Tensor& pixels, Precision precision) {
  const Tower tower(parameters, config, precision);
  const at::Tensor rows = embed(tower, config, pixels, precision);
  return tower.norm(rows.reshape({-1, config.hidden_size}), "pre_layrnorm", Precision::f32)
      .view(rows.sizes());
}

at::Tensor vision_encode(const ParameterSet& parameters, const spec::VisionConfig& config,
                         const at::Tensor& rows, int64_t first, int64_t last, Precision precision) {
  const Tower tower(parameters, config, precision);
  const int64_t length = rows.size(1);
  at::Tensor stream = rows.reshape({-1, config.hidden_size});
  std::vector<int64_t> starts;
  for (int64_t i = 0; i <= rows.size(0); ++i)
    starts.push_back(i * length);
  const AttentionPlan plan(starts, rows.device().str());
  for (int64_t i = first; i < last; ++i) {
    const std::string layer = "encoder.layers." + std::to_string(i) + ".";
    const at::Tensor x = tower.norm(stream, layer + "layer_norm1", precision);
    const at::Tensor mixed = plan.attend(
        tower.project(x, layer + "self_attn.q_proj"), tower.project(x, layer + "self_attn.k_proj"),
        tower.project(x, layer + "self_attn.v_proj"), config.num_attention_heads, false);
    stream = stream + tower.project(mixed, layer + "self_attn.out_proj");
    const at::Tensor y = tower.norm(stream, layer + "layer_norm2", precision);
    stream = stream +
             tower.project(tower.activate(tower.project(y, layer + "mlp.fc1")), layer + "mlp.fc2");
  }
  return stream.view(rows.sizes());
}

at::Tensor vision_features(const ParameterSet& parameters, const spec::VilaConfig& config,
                           const at::Tensor& pixels, Precision precision) {
  VILA_CHECK(config.has_vision());
  const at::Tensor embedded = vision_embed(parameters, *config.vision, pixels, precision);
  const at::Tensor rows = vision_encode(parameters, *config.vision, embedded, 0,
                                        config.vision_layers_used(), precision);
  const int64_t first = rows.size(1) - config.tokens_per_image();
  return rows.narrow(1, first, config.tokens_per_image());
}

at::Tensor projector_forward(const ParameterSet& parameters, const spec::VilaConfig& config,
                             const at::Tensor& features, Precision precision) {
  at::Tensor x = features;
  bool is_first = true;
  for (const spec::ProjectorLinear& step : spec::projector_linears(config)) {
    if (!is_first) x = at::gelu(x);
    x = linear(x, parameters.at(step.prefix + ".weight"), parameters.at(step.prefix + ".bias"),
               precision);
    is_first = false;
  }
  return x.to(at::kFloat);
}

}  // namespace vila::train
