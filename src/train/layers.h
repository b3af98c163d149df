// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "train/recipe.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// Differentiable steps that the models share. Activations of matrix products are in the type of
/// the precision (bf16 or f32), the residual stream and all parameters in f32. On the CPU
/// element-wise steps run as one pass (fused.h); elsewhere as ATen operators.

/// x weightᵀ (+ bias), in the type of `precision`; `bias` may be undefined.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  Precision precision);

/// RMSNorm of an f32 [rows, width] stream, in the type of `precision`.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, Precision precision);

/// LayerNorm of an f32 stream, in the type of `precision`.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      double eps, Precision precision);

/// silu(gate) * up.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// x * sigmoid(1.702 x).
at::Tensor quick_gelu(const at::Tensor& x);

/// Rotary positions on x [rows, heads * head_dim]; cosine and sine f32 [rows, head_dim / 2].
at::Tensor rope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                int64_t head_dim);

/// Rows `index` of x, each at most once (index_select's own gradient would add up rows one by one).
at::Tensor pick_rows(const at::Tensor& x, const at::Tensor& index);

/// Mean cross entropy of hidden weightᵀ against targets (i64 [rows], each >= 0), f32 scalar. Logits
/// exist for a block of rows at a time; the gradients are made with them.
at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight,
                                const at::Tensor& targets, Precision precision);

}  // namespace vila::train
