// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "ops/context.h"
#include "tensor/packed_matrix.h"

/// The arithmetic of VILA on tensors: checks shapes (a broken one is a Bug), splits the work among
/// threads, calls the kernels. Activations are f32; weights f32, f16 or bf16. Results are in
/// ctx.arena. Letters: T rows, K inputs, N outputs, D hidden, H heads, G key/value heads, E head
/// size.
namespace vila::ops {

/// y = x W^T + bias; x [T, K], weight [N, K] of any weight dtype, bias [N] or undefined; y [T, N].
Tensor linear(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias);

/// The same with quantised weights: x in int8 by token and group, or in f32, as
/// ctx.packed_activations says. A row has the same bits alone and in any batch. NaN or infinity in
/// a row of x makes that row of y NaN when x is quantised.
Tensor linear(Context& ctx, const Tensor& x, const PackedMatrix& weight, const Tensor& bias);

/// One of the products of linear_together(). The referents outlive the call.
struct PackedLinear {
  const PackedMatrix& weight;
  const Tensor& bias;  // or undefined
};

/// linear() of one x with each, the same bits: matrices of equal groups quantise x once, and their
/// products are shared out together, so that threads wait for one another once.
std::vector<Tensor> linear_together(Context& ctx, const Tensor& x,
                                    std::span<const PackedLinear> linears);

/// y = x / sqrt(mean(x^2) + epsilon) * weight, per row; x [T, D].
Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& weight, double epsilon);
/// y = (x - mean) / sqrt(var + epsilon) * weight + bias, per row (biased variance); x [T, D].
Tensor layer_norm(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  double epsilon);

/// Elementwise: a + b of one shape, silu(gate) * up, and the activations of vision towers and
/// projectors (gelu exactly by erf; quick_gelu = x * sigmoid(1.702 x), as in CLIP).
Tensor add(Context& ctx, const Tensor& a, const Tensor& b);
/// a + b * scale, scale [D] f32 for each column of b [T, D].
Tensor add_scaled(Context& ctx, const Tensor& a, const Tensor& b, const Tensor& scale);
Tensor silu_mul(Context& ctx, const Tensor& gate, const Tensor& up);
Tensor gelu(Context& ctx, const Tensor& x);
Tensor gelu_tanh(Context& ctx, const Tensor& x);
Tensor quick_gelu(Context& ctx, const Tensor& x);

/// Rows of `table` [V, D]: y [ids, D] f32. Ids must be in [0, V).
Tensor embedding(Context& ctx, const Tensor& table, std::span<const int32_t> ids);

/// The same of a packed table. Ids must be in [0, table.out).
Tensor embedding(Context& ctx, const PackedMatrix& table, std::span<const int32_t> ids);

/// Pixels [N, C, S, S] to rows [N * (S/p)^2, C * p * p] in the order of a flattened conv weight
/// [D, C, p, p], so that the patch embedding is one linear().
Tensor patchify(Context& ctx, const Tensor& pixels, int64_t patch_size);

/// cos and sin of every (position, frequency): [positions, E/2] each, for rotate().
struct RopeTable {
  Tensor cos;  // f32, owning
  Tensor sin;
};

/// Angles position * theta^(-2 i / E) for positions [0, positions) and i in [0, E/2).
RopeTable make_rope_table(int64_t positions, int64_t head_dim, double theta);

/// The same with given frequencies [E/2]: angles position * frequency.
RopeTable make_rope_table(int64_t positions, std::span<const float> frequencies);

/// theta^(-2 i / E) for i in [0, E/2), rounded as the reference holds them.
std::vector<float> rope_frequencies(int64_t head_dim, double theta);

/// Rotates x [T, heads, E] in place, row t by positions[t], in the Hugging Face half layout.
void rotate(Context& ctx, const RopeTable& table, std::span<const int32_t> positions, Tensor& x);

/// Full (bidirectional) attention per picture: q, k, v [N * P, H * E] of N sequences of P rows
/// each; softmax(q k^T / sqrt(E)) v; result [N * P, H * E]. @param may_round  both products may
/// take bf16, where the CPU multiplies it faster than f32; sums stay f32.
Tensor attend_full(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                   int64_t sequences, int64_t heads, bool may_round = false);

/// Keys and values of one sequence in one layer, in f32, f16 or i8: vector t of head g begins at
/// element g * head_stride + t * token_stride. In i8 it is worth its codes times the scale at
/// g * scale_stride + t.
struct KvView {
  void* keys = nullptr;
  void* values = nullptr;
  DType dtype = DType::f32;
  int64_t head_stride = 0;
  int64_t token_stride = 0;
  float* key_scales = nullptr;
  float* value_scales = nullptr;
  int64_t scale_stride = 0;
};

/// One sequence's part of a packed batch for store_kv() and attend_causal().
struct CausalSequence {
  int64_t row_begin = 0;  // its first row in q, keys and values
  int64_t rows = 0;       // new rows, positions [length - rows, length)
  int64_t length = 0;     // keys and values present, the new ones included
  KvView kv;
  bool streams = false;  // the order of sums of decoding, see kernels::AttentionArgs
};

/// Writes new keys and values [T, G * E] of a batch where `sequences` keep them, rounded to the
/// nearest element of their dtype (i8: one scale for each token and head; E a multiple of 4).
void store_kv(Context& ctx, const Tensor& keys, const Tensor& values,
              std::span<const CausalSequence> sequences, int64_t kv_heads);

/// Causal attention with grouped key/value heads: q [T, H * E]; result [T, H * E]. A row's bits do
/// not depend on the other rows of the step, nor on the other sequences.
Tensor attend_causal(Context& ctx, const Tensor& q, std::span<const CausalSequence> sequences,
                     int64_t heads, int64_t kv_heads);

}  // namespace vila::ops
