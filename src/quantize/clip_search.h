// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/context.h"
#include "quantize/grid.h"

namespace vila::quantize {

/// Steps that are tried: limit = (1 - i / 20) * max |w| for i in [0, 10).
inline constexpr int kClipSteps = 10;

/// Limits of |w| for each row and group, and which step each is.
struct ClipChoice {
  Tensor limits;  // f32 [out, groups]
  Tensor steps;   // u8 [out, groups]
};

/// The search of AWQ: for each row and group the limit whose clamped and rounded weights change
/// that group's share of the products least, in the mean square over about 512 of the inputs; the
/// larger limit on a tie. The error is computed as d^T (X^T X / T) d with the change d of the
/// weights, which is the same sum in another order.
/// @param weight  f32 [N, K]. @param x  f32 [T, K], the inputs of the folded Linear.
/// Source: auto_clip_layer of llm-awq (awq/quantize/auto_clip.py).
ClipChoice search_clips(ops::Context& ctx, const Tensor& weight, const Tensor& x,
                        const GridOptions& options);

/// Mean square error of each group at given limits, as the search sees it: f64 [out, groups].
Tensor clip_errors(ops::Context& ctx, const Tensor& weight, const Tensor& x, const Tensor& limits,
                   const GridOptions& options);

/// Clamps each group of `weight` to its limits [out, groups], in place.
void apply_clips(Tensor& weight, const Tensor& limits, int64_t group);

}  // namespace vila::quantize
