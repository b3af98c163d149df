// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/kernels.h"
#include "tensor/packed_matrix.h"

/// The contracts of kernels.h as plain loops in double: what the tests hold every table to.
namespace vila::kernels::reference {

/// x [M, K], w [N, K], bias [N] or null, y [M, N], all dense.
struct Gemm {
  const float* x;
  const float* w;
  const float* bias;
  int64_t rows;
  int64_t depth;
  int64_t columns;
};

/// y = x W^T + bias, each sum in double.
void gemm(const Gemm& args, double* y);
/// |bias| + sum_k |x||w| of each element: what the rounding error is proportional to.
void gemm_magnitude(const Gemm& args, double* y);

/// One group of a row of x as QuantiseRowsArgs promises it.
struct QuantisedGroup {
  float scale = 0;
  int64_t sum = 0;
};

/// @param codes  `size` of them.
QuantisedGroup quantise_group(const float* x, int64_t size, int8_t* codes);

/// The product that PackedGemmArgs promises, all in double.
struct PackedGemm {
  const float* x;  // [rows, weight.in], not yet quantised
  int64_t rows;
  const PackedMatrix& weight;
  const float* bias;  // [weight.out] or null
};

/// y [rows, weight.out], and the magnitude that its rounding error is proportional to.
void gemm_packed(const PackedGemm& args, double* y, double* magnitude);

/// Softmax attention of one head.
void attend(const AttentionArgs& args, double* out);  // out dense [queries, heads, E]

/// Norms and softmax of one row.
void rms_norm(const NormArgs& args, double* y);
void layer_norm(const NormArgs& args, double* y);
void softmax(const float* x, int64_t size, double* y);

/// Activations of one element.
double silu(double x);
double gelu(double x);
double gelu_tanh(double x);
double quick_gelu(double x);

}  // namespace vila::kernels::reference
