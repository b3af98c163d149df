// SPDX-License-Identifier: Apache-2.0
#include "train/torch_decoder.h"

#include "train/attention.h"
#include "train/layers.h"
#include "train/torch_compat.h"

namespace vila::train {

struct DecoderRows::State {
  AttentionPlan plan;
  int64_t heads;
  int64_t head_dim;
  at::Tensor cosine;
  at::Tensor sine;
};

DecoderRows::DecoderRows(const std::vector<int64_t>& starts, const std::vector<int64_t>& positions,
                         const spec::DecoderConfig& config, const std::string& device)
    : state_(new State{
          AttentionPlan(starts, device), config.num_attention_heads, config.head_dim, {}, {}}) {
  const at::Tensor exponent =
      at::arange(0, config.head_dim, 2, at::kFloat) / static_cast<double>(config.head_dim);
  const at::Tensor frequency = at::reciprocal(at::pow(config.rope_theta, exponent));
  const at::Tensor angle = at::outer(at::tensor(positions, at::kLong).to(at::kFloat), frequency);
  state_->cosine = angle.cos().contiguous().to(at::Device(device));
  state_->sine = angle.sin().contiguous().to(at::Device(device));
}

DecoderRows::~DecoderRows() = default;

at::Tensor DecoderRows::attend(const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v) const {
  const State& s = *state_;
  return s.plan.attend(rope(q, s.cosine, s.sine, s.head_dim), rope(k, s.cosine, s.sine, s.head_dim),
                       v, s.heads, true);
}

at::Tensor decoder_forward(const ParameterSet& parameters, const std::string& prefix,
                           const spec::DecoderConfig& config, const at::Tensor& embeddings,
                           const DecoderRows& rows, Precision precision) {
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
        rows.attend(project(x, "self_attn.q_proj"), project(x, "self_attn.k_proj"),
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
