// SPDX-License-Identifier: Apache-2.0
#include "train/torch_decoder.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/numeric.h"
#include "train/layers.h"
#include "train/torch_compat.h"

namespace vila::train {
namespace {

/// Lengths that groups have: steps of about a quarter, so that padding stays below that.
int64_t group_length(int64_t rows) {
  int64_t step = 8;
  while (rows > 4 * step)
    step *= 2;
  return round_up(rows, step);
}

at::Tensor tensor_of(const std::vector<int64_t>& values, const std::string& device) {
  return at::tensor(values, at::kLong).to(at::Device(device));
}

}  // namespace

struct AttentionPlan::State {
  struct Group {
    int64_t samples;
    int64_t length;
  };

  std::vector<Group> groups;
  at::Tensor index;    // row of each padded slot; padding takes row 0
  at::Tensor inverse;  // padded slot of each row
  at::Tensor cosine;
  at::Tensor sine;
  int64_t heads;
  int64_t head_dim;
};

AttentionPlan::AttentionPlan(const std::vector<int64_t>& starts,
                             const std::vector<int64_t>& positions,
                             const spec::DecoderConfig& config, const std::string& device)
    : state_(std::make_unique<State>()) {
  std::map<int64_t, std::vector<size_t>> by_length;
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    by_length[group_length(starts[i + 1] - starts[i])].push_back(i);
  }
  std::vector<int64_t> index;
  std::vector<int64_t> inverse(positions.size());
  for (const auto& [length, samples] : by_length) {
    state_->groups.push_back({static_cast<int64_t>(samples.size()), length});
    for (const size_t sample : samples) {
      for (int64_t i = 0; i < length; ++i) {
        const int64_t row = starts[sample] + i;
        const bool is_row = row < starts[sample + 1];
        if (is_row) inverse[static_cast<size_t>(row)] = static_cast<int64_t>(index.size());
        index.push_back(is_row ? row : 0);
      }
    }
  }
  state_->index = tensor_of(index, device);
  state_->inverse = tensor_of(inverse, device);
  state_->heads = config.num_attention_heads;
  state_->head_dim = config.head_dim;
  const at::Tensor exponent =
      at::arange(0, config.head_dim, 2, at::kFloat) / static_cast<double>(config.head_dim);
  const at::Tensor frequency = at::reciprocal(at::pow(config.rope_theta, exponent));
  const at::Tensor angle = at::outer(at::tensor(positions, at::kLong).to(at::kFloat), frequency);
  state_->cosine = angle.cos().contiguous().to(at::Device(device));
  state_->sine = angle.sin().contiguous().to(at::Device(device));
}

AttentionPlan::~AttentionPlan() = default;
AttentionPlan::AttentionPlan(AttentionPlan&&) noexcept = default;

at::Tensor AttentionPlan::attend(const at::Tensor& q, const at::Tensor& k,
                                 const at::Tensor& v) const {
  const State& s = *state_;
  std::vector<int64_t> sizes;
  for (const State::Group& group : s.groups)
    sizes.push_back(group.samples * group.length);
  const auto arrange = [&](const at::Tensor& x) {
    return gather_rows(x, s.index, s.inverse).split_with_sizes(sizes);
  };
  const auto queries = arrange(rope(q, s.cosine, s.sine, s.head_dim));
  const auto keys = arrange(rope(k, s.cosine, s.sine, s.head_dim));
  const auto values = arrange(v);
  std::vector<at::Tensor> outputs;
  for (size_t i = 0; i < s.groups.size(); ++i) {
    const AttentionSizes group{s.groups[i].length, s.heads, true};
    outputs.push_back(attention(queries[i], keys[i], values[i], group));
  }
  return ungather_rows(at::cat(outputs), s.inverse);
}

at::Tensor decoder_forward(const ParameterSet& parameters, const std::string& prefix,
                           const spec::DecoderConfig& config, const at::Tensor& embeddings,
                           const AttentionPlan& plan, Precision precision) {
  const at::Tensor none;
  at::Tensor stream = embeddings;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = prefix + "model.layers." + std::to_string(i) + ".";
    const auto weight = [&](const char* name) { return parameters.at(layer + name + ".weight"); };
    const auto project = [&](const at::Tensor& x, const char* name) {
      return linear(x, weight(name), none, precision);
    };
    const at::Tensor x =
        rms_norm(stream, weight("input_layernorm"), config.rms_norm_eps, precision);
    const at::Tensor mixed =
        plan.attend(project(x, "self_attn.q_proj"), project(x, "self_attn.k_proj"),
                    project(x, "self_attn.v_proj"));
    stream = stream + project(mixed, "self_attn.o_proj");
    const at::Tensor y =
        rms_norm(stream, weight("post_attention_layernorm"), config.rms_norm_eps, precision);
    stream = stream + project(swiglu(project(y, "mlp.gate_proj"), project(y, "mlp.up_proj")),
                              "mlp.down_proj");
  }
  return rms_norm(stream, parameters.at(prefix + "model.norm.weight"), config.rms_norm_eps,
                  precision);
}

at::Tensor embed_tokens(const ParameterSet& parameters, const std::string& prefix,
                        const at::Tensor& ids) {
  return at::embedding(parameters.at(prefix + "model.embed_tokens.weight"), ids);
}

const at::Tensor& output_weight(const ParameterSet& parameters) {
  const bool is_tied = !parameters.contains("lm_head.weight");
  return parameters.at(is_tied ? "model.embed_tokens.weight" : "lm_head.weight");
}

}  // namespace vila::train
