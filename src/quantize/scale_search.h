// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "quantize/block.h"
#include "quantize/grid.h"

namespace vila::quantize {

/// Exponents that are tried: i / 20 for i in [0, 20).
inline constexpr int kExponents = 20;

/// What absorbs 1 / scale.
enum class Absorber { input_norm, v_proj, post_attention_norm, up_proj };

/// Linears that share an input, what comes before them, and where the error is looked at.
struct ScaleGroup {
  Absorber absorber;
  std::span<const size_t> linears;
};

/// The groups of Llama, Mistral and Qwen2 layers: norm -> q, k, v; v -> o (only where both have as
/// many values: not with grouped heads); norm -> gate, up; up -> down.
/// Source: auto_scale_block of llm-awq (awq/quantize/auto_scale.py).
std::vector<ScaleGroup> scale_groups(const Block& block);

/// "input_layernorm", "self_attn.v_proj", …
const char* absorber_name(Absorber absorber) noexcept;

/// What was chosen for a group, and why.
struct ScaleChoice {
  Absorber absorber = Absorber::input_norm;
  Tensor scales;                            // f32 [K]: columns are multiplied by them
  Tensor x_mean;                            // f32 [K]: mean of |x|
  int exponent = 0;                         // of kExponents
  std::array<double, kExponents> losses{};  // mean square error of each exponent (see Losses)
};

/// How far the losses of exponents that cannot win are computed. The choice is the same.
enum class Losses {
  least,  // until they exceed the least one: what is recorded of the others is a lower bound
  all,
};

/// The search of AWQ for one group. Scales s = mean|x|^r, at least 1e-4, divided by
/// sqrt(max s * min s), for r = i / 20. Each is tried: columns times s, rounded (grid.h), divided
/// by s; the loss is the mean square change of what the layer computes from them (all of attention,
/// all of the feed-forward, or the one Linear). The least loss wins, the lowest exponent on a tie.
/// A loss is a sum over tokens that only grows, so a candidate is dropped when its part exceeds the
/// least whole one; exponents are tried outwards from the best so far, to have a good one early.
/// @param inputs  of the unchanged block.
/// @throws Error{invalid_model} naming the layer when no loss is a number.
/// Source: _search_module_scale of llm-awq (awq/quantize/auto_scale.py); AWQ, arXiv 2306.00978.
ScaleChoice search_scales(const BlockRunner& runner, const Block& block, const BlockInputs& inputs,
                          const ScaleGroup& group, const GridOptions& options,
                          Losses losses = Losses::least);

/// Folds a choice into the block: columns of the group's Linears times s; the norm's weights, or
/// the rows (and bias) of the Linear before them, divided by s. The function stays what it was.
void fold_scales(Block& block, const ScaleGroup& group, const Tensor& scales);

/// Divides the columns of a group's cached input [T, K] by s: the input of the folded Linears.
void divide_columns(Tensor& x, const Tensor& scales);

}  // namespace vila::quantize
