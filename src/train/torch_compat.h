// SPDX-License-Identifier: Apache-2.0
#pragma once

// Included by .cc files only. Every ATen call that Debian's libtorch 1.13 and PyTorch 2 do not
// share stands here; the rest of this folder uses what both have.

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/version.h>

namespace vila::train {

/// Attention of [n, heads, length, d] tensors, softmax(q kᵀ / sqrt(d)) v, causal or over all: for
/// devices other than the CPU.
inline at::Tensor attend_by_operators(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      bool is_causal) {
#if TORCH_VERSION_MAJOR >= 2
  return at::scaled_dot_product_attention(q, k, v, {}, 0.0, is_causal);
#else
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  at::Tensor scores = at::matmul(q, k.transpose(-2, -1)).to(at::kFloat) * scale;
  if (is_causal) {
    const int64_t length = q.size(-2);
    const auto future = at::ones({length, length}, scores.options().dtype(at::kBool)).triu(1);
    scores = scores.masked_fill(future, -std::numeric_limits<float>::infinity());
  }
  return at::matmul(scores.softmax(-1).to(v.scalar_type()), v);
#endif
}

}  // namespace vila::train
