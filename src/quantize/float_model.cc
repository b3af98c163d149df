// SPDX-License-Identifier: Apache-2.0
#include "quantize/float_model.h"

#include "quantize/calibration.h"

namespace vila::quantize {
namespace {

constexpr const char* kTable = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

}  // namespace

Tensor FloatModel::embed(const Tensor& tokens) const {
  const std::span<const int32_t> ids = tokens.values<int32_t>();
  const auto count = static_cast<int64_t>(ids.size());
  return calibrate_text(tensors_.find(kTable)->second, ids, {.tokens = count, .samples = 1}).rows;
}

Tensor FloatModel::logits(const Tensor& tokens, const Change& change) const {
  const int64_t sequences = tokens.dim(0);
  const int64_t length = tokens.dim(1);
  const BlockRunner runner(ctx_, config_,
                           std::vector<int64_t>(static_cast<size_t>(sequences), length));
  Tensor x = embed(tokens);
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    Block block = load_block(tensors_, config_, i);
    if (change) change(block);
    x = runner.result(block, x);
  }
  const Tensor weight = tensors_.find("model.norm.weight")->second.to(DType::f32);
  x = runner.collect([&](const BlockRunner::Visit& visit) { runner.norm(weight, x, visit); });
  const char* head = config_.tie_word_embeddings ? kTable : kHead;
  const BlockLinear output{tensors_.find(head)->second, {}};
  return runner.collect([&](const BlockRunner::Visit& visit) { runner.linear(output, x, visit); })
      .reshape({sequences, length, -1});
}

}  // namespace vila::quantize
