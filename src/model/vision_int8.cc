// SPDX-License-Identifier: Apache-2.0
#include "model/vision_int8.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "spec/parameters.h"

namespace vila::model {
namespace {

using Changes = std::map<std::string, Matrix, std::less<>>;

constexpr float kAlpha = 0.3F;
constexpr float kLeastScale = 1e-5F;  // and least weight, as the reference has it
constexpr float kExpectedDeviations = 4.0F;
// So much of a row stays in L1 beside the activations, see docs/kernels.md.
constexpr int64_t kMostColumnsOfScale = 1152;

// Linears of a layer that read the same norm; without a norm they are not smoothed.
struct Group {
  std::string_view norm;
  std::string_view observed;  // the norm's name for the observer
  std::vector<std::string_view> linears;
};

std::vector<Group> groups_of(spec::Tower tower) {
  if (tower == spec::Tower::intern) {
    return {{"norm1", "norm1", {"attn.qkv"}},
            {"", "", {"attn.proj"}},
            {"norm2", "norm2", {"mlp.fc1"}},
            {"", "", {"mlp.fc2"}}};
  }
  return {{"layer_norm1", "norm1", {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
          {"", "", {"self_attn.out_proj"}},
          {"layer_norm2", "norm2", {"mlp.fc1"}},
          {"", "", {"mlp.fc2"}}};
}

// The matrix in f32, in memory of its own; undefined when it is packed or 8 bits cannot hold it,
// and where an adapter's change beside it reads the same input.
Tensor float_matrix(const Weights& w) {
  if (w.has("lora_A")) return {};
  const Matrix matrix = w.matrix("weight");
  const Tensor* tensor = std::get_if<Tensor>(&matrix);
  if (tensor == nullptr) return {};
  const int64_t in = tensor->dim(1);
  return PackedMatrix::can_hold(tensor->dim(0), in, in, 8) ? tensor->to(DType::f32) : Tensor();
}

// What 8 bits of a tower are: narrow, which CPUs without a dot product instruction multiply half
// again as fast, at a distance to float that stays below that of the activations in 8 bits.
PackedMatrix quantise_vision(const Tensor& weight, ThreadPool& pool) {
  return quantise_rows_narrow(weight, int8_vision_group(weight.dim(1)), &pool);
}

void multiply_columns(const Tensor& weight, std::span<const float> scales) {
  for (int64_t n = 0; n < weight.dim(0); ++n) {
    float* row = weight.data<float>() + n * weight.dim(1);
    std::transform(scales.begin(), scales.end(), row, row, std::multiplies<>());
  }
}

// values / scales, in memory of its own.
Tensor divided(const Tensor& values, std::span<const float> scales) {
  Tensor result = values.to(DType::f32);
  float* value = result.data<float>();
  for (const float scale : scales)
    *value++ /= scale;
  return result;
}

// Smooths a norm and the weights that read it.
void smooth(const Weights& norm, const std::string& name, const Tensor* recorded,
            std::span<const Tensor> weights, Changes& changes) {
  const Tensor gain = norm.vector("weight");
  const Tensor bias = norm.has("bias") ? norm.vector("bias") : Tensor();
  const Tensor maxima = recorded != nullptr ? *recorded : expected_maxima(gain, bias);
  const Tensor scales = smoothing_scales(maxima, weights);
  for (const Tensor& weight : weights)
    multiply_columns(weight, scales.values<float>());
  changes.insert_or_assign(name + ".weight", divided(gain, scales.values<float>()));
  if (bias.defined())
    changes.insert_or_assign(name + ".bias", divided(bias, scales.values<float>()));
}

// The Linears of one group in 8 bits, all of them or, where one cannot be, none.
void quantise_group(const Weights& layer, const std::string& path, const Group& group,
                    const Tensor* recorded, Changes& changes, ThreadPool& pool) {
  std::vector<Tensor> weights;
  for (const std::string_view linear : group.linears) {
    weights.push_back(float_matrix(layer / linear));
    if (!weights.back().defined()) return;
  }
  if (!group.norm.empty()) {
    smooth(layer / group.norm, fmt::format("{}{}", path, group.norm), recorded, weights, changes);
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    changes.insert_or_assign(fmt::format("{}{}.weight", path, group.linears[i]),
                             quantise_vision(weights[i], pool));
  }
}

void quantise_projector(const Weights& root, const spec::VilaConfig& config, Changes& changes,
                        ThreadPool& pool) {
  for (const spec::ProjectorLinear& linear : spec::projector_linears(config)) {
    const Tensor weight = float_matrix(root / linear.prefix);
    if (!weight.defined()) continue;
    changes.insert_or_assign(linear.prefix + ".weight", quantise_vision(weight, pool));
  }
}

// Raises `most` [C] to the largest |x| of each column.
void raise(std::span<float> most, const Tensor& x) {
  const float* value = x.data<float>();
  for (int64_t row = 0; row < x.numel() / std::ssize(most); ++row) {
    for (float& channel : most)
      channel = std::max(channel, std::abs(*value++));
  }
}

}  // namespace

void record_maximum(std::string_view name, const Tensor& x, ActivationMaxima& maxima) {
  if (!name.starts_with("vision.layer.")) return;
  if (!name.ends_with(".norm1") && !name.ends_with(".norm2")) return;
  Tensor& most = maxima[std::string(name)];
  if (!most.defined()) most = Tensor::zeros(DType::f32, {x.dim(-1)});
  raise(most.values<float>(), x);
}

int64_t int8_vision_group(int64_t in) {
  for (int64_t parts = 1; parts <= in / 4; ++parts) {
    const int64_t group = in / parts;
    if (in % parts == 0 && group % 4 == 0 && group <= kMostColumnsOfScale) return group;
  }
  return in;
}

Tensor smoothing_scales(const Tensor& act_max, std::span<const Tensor> weights) {
  Tensor most = Tensor::zeros(DType::f32, act_max.shape());
  for (const Tensor& weight : weights) {
    VILA_CHECK(weight.dim(1) == act_max.numel(), "{} behind {} channels", weight.text(),
               act_max.numel());
    raise(most.values<float>(), weight);
  }
  Tensor scales = Tensor::empty(DType::f32, act_max.shape());
  for (int64_t k = 0; k < act_max.numel(); ++k) {
    const float w_max = std::max(most.data<float>()[k], kLeastScale);
    const float scale = std::pow(act_max.data<float>()[k], kAlpha) / std::pow(w_max, 1 - kAlpha);
    scales.data<float>()[k] = std::max(scale, kLeastScale);
  }
  return scales;
}

Tensor expected_maxima(const Tensor& weight, const Tensor& bias) {
  Tensor maxima = Tensor::empty(DType::f32, weight.shape());
  for (int64_t k = 0; k < weight.numel(); ++k) {
    maxima.data<float>()[k] = kExpectedDeviations * std::abs(weight.data<float>()[k]) +
                              (bias.defined() ? std::abs(bias.data<float>()[k]) : 0.0F);
  }
  return maxima;
}

Changes int8_vision(const Weights& root, const spec::VilaConfig& config,
                    const ActivationMaxima& maxima, ThreadPool& pool) {
  VILA_CHECK(config.has_vision(), "a model without tower");
  Changes changes;
  const std::vector<Group> groups = groups_of(config.vision->tower);
  for (int64_t i = 0; i < config.vision_layers_used(); ++i) {
    const std::string path = fmt::format("{}encoder.layers.{}.", spec::kVisionPrefix, i);
    const Weights layer = root / path.substr(0, path.size() - 1);
    for (const Group& group : groups) {
      const auto recorded = maxima.find(fmt::format("vision.layer.{}.{}", i, group.observed));
      quantise_group(layer, path, group, recorded == maxima.end() ? nullptr : &recorded->second,
                     changes, pool);
    }
  }
  quantise_projector(root, config, changes, pool);
  return changes;
}

}  // namespace vila::model
