// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "formats/weight_file.h"
#include "ops/ops.h"
#include "spec/config.h"

namespace vila::quantize {

/// The Linears of a decoder layer, in the order in which llm-awq names them.
enum LinearIndex : size_t { kQ, kK, kV, kO, kGate, kUp, kDown, kLinears };

/// "self_attn.q_proj", …: the name below "model.layers.3.".
const char* linear_name(size_t linear) noexcept;

/// A Linear with weights that may be changed: y = x W^T + b.
struct BlockLinear {
  Tensor weight;  // f32 [N, K]
  Tensor bias;    // f32 [N], or undefined
};

/// One decoder layer of Llama, Mistral or Qwen2 in f32, to be folded, rounded and run. A value;
/// copies share the weights until one of them replaces a tensor.
struct Block {
  int64_t index = 0;
  Tensor input_norm;           // f32 [D]
  Tensor post_attention_norm;  // f32 [D]
  std::array<BlockLinear, kLinears> linears;

  /// "model.layers.3."
  std::string prefix() const;
  /// "model.layers.3.self_attn.q_proj"
  std::string name(size_t linear) const;
};

/// A copy of the layer's tensors as f32, by their names in `tensors`.
/// @throws Error{invalid_model} naming a tensor that is missing, has another shape, or holds a
/// value that is not finite.
Block load_block(const formats::TensorMap& tensors, const spec::DecoderConfig& config,
                 int64_t index);

/// What the parts of a layer are given: the inputs that the searches weigh errors by.
struct BlockInputs {
  Tensor attention;  // [T, D] of q, k, v: normalised
  Tensor output;     // [T, H E] of o: what attention mixed
  Tensor mlp;        // [T, D] of gate, up: normalised
  Tensor down;       // [T, F] of down: silu(gate) * up
  Tensor result;     // [T, D] of the layer: the next one's input

  const Tensor& of(size_t linear) const;
};

/// Runs blocks over the rows of calibration sequences, one after the other in one tensor. Working
/// memory is that of a few sequences; results are owning tensors. Refers to a context; one thread.
class BlockRunner {
 public:
  /// @param lengths  rows of each sequence.
  BlockRunner(ops::Context& ctx, const spec::DecoderConfig& config, std::vector<int64_t> lengths);

  int64_t rows() const { return rows_; }

  ops::Context& context() const { return ctx_; }

  /// All inputs, and the result.
  BlockInputs run(const Block& block, const Tensor& x) const;

  /// Only the result.
  Tensor result(const Block& block, const Tensor& x) const;

  /// Self-attention of the normalised rows x with its output projection, as its parts come:
  /// visit(first row, rows [., D] in the arena), which says whether to go on: a search has seen
  /// enough of a candidate as soon as it is worse than the best.
  using Visit = std::function<bool(int64_t first, const Tensor& rows)>;
  void attention(const Block& block, const Tensor& x, const Visit& visit) const;
  /// The gated feed-forward of the normalised rows.
  void mlp(const Block& block, const Tensor& x, const Visit& visit) const;
  /// One Linear.
  void linear(const BlockLinear& linear, const Tensor& x, const Visit& visit) const;
  /// What attention mixed, before the output projection.
  void mix(const Block& block, const Tensor& x, const Visit& visit) const;
  /// silu(gate) * up.
  void gate_up(const Block& block, const Tensor& x, const Visit& visit) const;
  void norm(const Tensor& weight, const Tensor& x, const Visit& visit) const;

  /// The visited parts as one owning tensor.
  template <typename Pass>
  Tensor collect(const Pass& pass) const {
    Tensor whole;
    pass([&](int64_t first, const Tensor& rows) { return store(whole, first, rows); });
    return whole;
  }

 private:
  using Compute = std::function<Tensor(const Tensor& rows)>;
  void each_part(const Tensor& x, const Visit& visit, const Compute& compute) const;
  Tensor mixed_rows(const Block& block, const Tensor& x, std::span<const int64_t> lengths) const;
  Tensor gated_rows(const Block& block, const Tensor& x) const;
  Tensor apply(const BlockLinear& linear, const Tensor& x) const;
  bool store(Tensor& whole, int64_t first, const Tensor& rows) const;

  ops::Context& ctx_;
  const spec::DecoderConfig& config_;
  std::vector<int64_t> lengths_;
  int64_t rows_ = 0;
  ops::RopeTable rope_;
};

}  // namespace vila::quantize
