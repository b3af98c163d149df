// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/numeric.h"

/// The element-wise parts of training as single passes over memory: eager operators would walk over
/// each activation many times. Every function works on the rows [begin, end), so that the caller
/// divides the work; formulas are those of docs/training.md. T is float or bf16, sums are f32.
namespace vila::train::fused {

/// A range of rows of equal width.
struct Rows {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t width = 0;
};

/// y = x * rstd * weight, rstd = 1 / sqrt(mean(x²) + eps) per row (kept for the backward pass).
template <typename T>
void rms_norm(Rows rows, const float* x, const float* weight, float eps, T* y, float* rstd);

/// Gradient by x of rms_norm; adds the gradient by weight to `grad_weight`.
template <typename T>
struct RmsNormGrad {
  const T* grad_y;
  const float* x;
  const float* weight;
  const float* rstd;
  float* grad_x;
  float* grad_weight;
};

/// Rows [begin, end); `grad_x` is written, not added to.
template <typename T>
void rms_norm_grad(Rows rows, const RmsNormGrad<T>& args);

/// out = silu(gate) * up.
template <typename T>
void swiglu(Rows rows, const T* gate, const T* up, T* out);

/// Gradients of swiglu by both inputs, written.
template <typename T>
struct SwigluGrad {
  const T* grad_out;
  const T* gate;
  const T* up;
  T* grad_gate;
  T* grad_up;
};

/// Rows [begin, end).
template <typename T>
void swiglu_grad(Rows rows, const SwigluGrad<T>& args);

/// out = x * sigmoid(1.702 x).
template <typename T>
void quick_gelu(Rows rows, const T* x, T* out);
/// grad_x = grad_out * d quick_gelu / dx.
template <typename T>
void quick_gelu_grad(Rows rows, const T* grad_out, const T* x, T* grad_x);

/// Rotary positions, halves form of Llama: width = heads * head_dim; cosine and sine [rows,
/// head_dim / 2]. `direction` -1 turns back, which is the gradient.
template <typename T>
struct Rope {
  const T* x;
  const float* cosine;
  const float* sine;
  int64_t head_dim;
  float direction;
  T* out;
};

/// Rows [begin, end), width = heads * head_dim.
template <typename T>
void rope(Rows rows, const Rope<T>& args);

/// Softmax of scale * scores in place; rows of the last axis, `width` long. Causal: of every
/// `width` rows, row i keeps its first i + 1 columns and the others become 0.
struct Softmax {
  float scale;
  bool is_causal;
};

/// Rows [begin, end).
template <typename T>
void softmax(Rows rows, const Softmax& options, T* scores);
/// Turns the gradient by the probabilities into that by the scores, in place.
template <typename T>
void softmax_grad(Rows rows, const Softmax& options, const T* probabilities, T* grad);

/// Copies heads apart: row `slot` of [samples, heads, length, head_dim] is row index[slot] of x
/// [rows, heads * head_dim], zeros where the index is negative; and
/// back, for the rows that are there.
struct HeadLayout {
  int64_t length;
  int64_t heads;
  int64_t head_dim;
  const int64_t* index;  // [samples * length]
};

/// From x [rows, heads * head_dim] to out [samples, heads, length, head_dim], for samples
/// [begin, end).
template <typename T>
void split_heads(int64_t begin, int64_t end, const HeadLayout& layout, const T* x, T* out);
/// The way back; rows that no sample names are left as they are.
template <typename T>
void merge_heads(int64_t begin, int64_t end, const HeadLayout& layout, const T* x, T* out);

/// LayerNorm of f32 rows with the statistics kept; and its gradients, those by weight and bias
/// added.
template <typename T>
struct LayerNorm {
  const float* x;
  const float* weight;
  const float* bias;
  float eps;
  T* y;
  float* mean;
  float* rstd;
};

/// Rows [begin, end).
template <typename T>
void layer_norm(Rows rows, const LayerNorm<T>& args);

/// Gradients of layer_norm: by x written, by weight and bias added.
template <typename T>
struct LayerNormGrad {
  const T* grad_y;
  const float* x;
  const float* weight;
  const float* mean;
  const float* rstd;
  float* grad_x;
  float* grad_weight;
  float* grad_bias;
};

/// Rows [begin, end).
template <typename T>
void layer_norm_grad(Rows rows, const LayerNormGrad<T>& args);

/// Softmax cross entropy of logits [rows, width] with one target each: writes the gradient of
/// scale * sum(loss) over the logits, and each row's loss.
template <typename T>
void cross_entropy(Rows rows, T* logits, const int64_t* targets, float scale, float* loss);

/// One AdamW step on elements [begin, end): bias-corrected, decay decoupled (Loshchilov and Hutter
/// 2019), in the order of torch.optim.AdamW.
struct AdamW {
  float* parameter;
  const float* grad;
  float* mean;
  float* variance;
  float grad_scale;  // of clipping
  float lr;
  float beta1;
  float beta2;
  float eps;
  float decay;        // 0 for norms and biases
  float correction1;  // 1 - beta1^t
  float correction2;  // 1 - beta2^t
};

/// Elements [begin, end).
void adamw(int64_t begin, int64_t end, const AdamW& args);

}  // namespace vila::train::fused
