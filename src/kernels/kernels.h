// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

/// The arithmetic on raw pointers. Every kernel is pure: no allocation, no lock, no global, no
/// thread; callers split the work. Pointers need the alignment of their element only, outputs
/// overlap no input unless said, counts may be 0. Lanes never change a result: a value depends on
/// its own inputs and the order of sums stated here, not on how the work was split.
namespace vila::kernels {

/// Rows of x as gemm() reads them. The depth is cut into blocks, rows into panels of `panel_rows`
/// (the last of either may be smaller); a panel of a block is stored depth-major, so that each step
/// of the inner loop reads neighbours, and the panels of one block follow one another:
///
///   packed[k0 * M + m0 * d + k * r + i] = x[m0 + i][k0 + k]   for block k0 of d, panel m0 of r
///   rows
///
/// The whole takes exactly rows * depth floats.
struct PackRowsArgs {
  const float* x;
  int64_t x_stride;    // elements between rows
  int64_t rows;        // M
  int64_t depth;       // K
  int64_t panel_rows;  // as panel_rows() gives it
  int64_t row_begin;   // rows to pack: a multiple of panel_rows
  int64_t row_end;     // a multiple of panel_rows, or `rows`
  float* packed;       // the start of the whole
};

/// A block of y = x W^T + bias.
///
///   y[m][n] = bias[n] + sum_k x[m][k] * W[n][k],   m in [row_begin, row_end), n in [column_begin,
///   column_end)
///
/// Shapes    packed_x: [M, K] packed by pack_rows(); W [N, K] in f32, f16 or bf16, used where it
/// is;
///           bias [N] or null; y [M, N].
/// Sums      start at the bias and take k in ascending order with one fused multiply-add each
///           (multiply, then add, on "scalar"): y[m] is the same bits for every M and every split.
/// Accuracy  within (K + 1) * 2^-24 * (|bias| + sum_k |x||w|) of reference::gemm.
/// Cost      converts each element of W once per call into a panel on the stack (32 KiB), so it is
///           bound by arithmetic for many rows and by the read of W for few.
struct GemmArgs {
  const float* packed_x;
  const void* weight;
  DType weight_dtype;
  int64_t weight_stride;  // elements between rows of W
  const float* bias;
  float* y;
  int64_t y_stride;  // elements between rows of y
  int64_t rows;      // M
  int64_t depth;     // K
  int64_t panel_rows;
  int64_t row_begin;  // a multiple of panel_rows
  int64_t row_end;    // a multiple of panel_rows, or M
  int64_t column_begin;
  int64_t column_end;
};

/// The memory of a vila::PackedMatrix (tensor/packed_matrix.h says what lies where).
struct PackedWeights {
  const uint8_t* data;
  int64_t depth;  // K, a multiple of group
  int64_t group;
  int bits;  // 4 or 8
  bool has_offsets;
  bool is_narrow = false;  // 8 bits, all codes in [64, 192]
};

/// Rows of x in signed 8 bits with a scale for each row and group, as gemm_packed() reads them.
///
///   scale = absmax / 127,   code[k] = x[k] * (127 / absmax) rounded half to even,   sum = sum_k
///   code
///
/// Layout    of a panel m0 of r rows, G = depth / group (compare PackRowsArgs; the last panel may
/// be
///           smaller):
///             codes[m0 * depth + k / 4 * 4r + 4i + k % 4]   of row m0 + i
///             scales[m0 * G + g * r + i], sums likewise (exact integers)
/// Exact     codes, scales and sums are the same bits for every table and every split.
/// Faults    A group whose absmax is below 1e-30 counts as zero: scale 0, codes 0. One that holds
/// NaN
///           or infinity gets the scale NaN and codes 0, which makes that row of y NaN and no
///           other.
/// Requires  group % 4 == 0, depth % group == 0, group <= 65536.
struct QuantiseRowsArgs {
  const float* x;
  int64_t x_stride;  // elements between rows
  int64_t rows;      // M
  int64_t depth;     // K
  int64_t group;
  int64_t panel_rows;  // as panel_rows(M, dot_rows) gives it
  int64_t row_begin;   // rows to quantise: a multiple of panel_rows
  int64_t row_end;     // a multiple of panel_rows, or `rows`
  int8_t* codes;       // the start of the whole, rows * depth
  float* scales;       // rows * depth / group
  float* sums;         // rows * depth / group
};

/// A block of y = x W^T + bias on quantised x and W.
///
///   y[m][n] = bias[n] + sum_g xs[m][g] * t[m][n][g],    dot = sum_(k in g) xcode[m][k] *
///   code[n][k] t = ws[n][g] * (dot - zero[n][g] * xsum[m][g])      or   ws[n][g] * dot +
///   offset[n][g] * xsum
///
/// Sums      dot is exact in 32 bits on every table. The sum over groups starts at the bias and
/// takes
///           g in ascending order: y[m] is the same bits for every M and every split; tables differ
///           by the rounding of f32 (fused or not) alone.
/// Accuracy  within (G + 4) * 2^-23 * (|bias| + sum_k |xs xcode| (|ws| code + |ws zero or offset|))
/// of
///           the same sum in double.
/// Cost      decoding (few rows) is bound by the read of W, many rows by the dot products.
struct PackedGemmArgs {
  const int8_t* codes;  // of x, with scales and sums, by quantise_rows()
  const float* scales;
  const float* sums;
  PackedWeights weight;
  const float* bias;  // [N] or null
  float* y;
  int64_t y_stride;  // elements between rows of y
  int64_t rows;      // M
  int64_t panel_rows;
  int64_t row_begin;     // a multiple of panel_rows
  int64_t row_end;       // a multiple of panel_rows, or M
  int64_t column_begin;  // a multiple of 16
  int64_t column_end;    // a multiple of 16, or N
};

/// Softmax attention of the query heads that share one head of keys and values.
///
///   out[i] = sum_j p[i][j] v[j],   p[i] = softmax_j(scale * q[i] . k[j]),   j < seen(i)
///   seen(i) = min(keys, first_seen + i) when causal, keys otherwise
///
/// Shapes    q, out [queries, heads, E] and k, v [keys, E], with the strides given,
///           E <= kMaxHeadDim.
/// Requires  keys >= 1 and, when causal, first_seen >= 1.
/// Elements  of k and v are f32, f16 or i8; of i8, vector j is worth scales[j] times its codes.
/// Sums      softmax is taken over blocks of keys with a running maximum (Milakov and Gimelshein,
///           "Online normalizer calculation for softmax", 2018). There are two orders of sums: the
///           blocked one packs keys for many queries, the streaming one (`streams`) reads keys and
///           values once where they are, for few queries. Within either, the bits of out[i] depend
///           on its own query, on k, v and seen(i) only: not on the other queries of the call.
/// Accuracy  within 1e-5 * max |v| of reference::attend for |scale * q . k| <= 64; with may_round
///           4e-3 * max |v| for |scale * q . k| <= 5.
/// Cost      4 * queries * heads * keys * E flops; blocked: about 560 KiB of stack.
struct AttentionArgs {
  const float* q;
  int64_t q_stride;
  const void* k;
  const void* v;
  int64_t kv_stride;  // elements between vectors of k and of v
  float* out;
  int64_t out_stride;
  int64_t queries;
  int64_t keys;
  int64_t head_dim;    // E
  int64_t first_seen;  // keys that query 0 sees; read when causal
  bool causal;
  float scale;
  DType kv_dtype = DType::f32;
  const float* k_scales = nullptr;  // [keys], i8 only
  const float* v_scales = nullptr;
  int64_t heads = 1;  // side by side in a row of q and out
  bool streams = false;
  bool may_round = false;  // without causal: q, k, v and softmax to bf16, where that is faster
};

inline constexpr int64_t kMaxHeadDim = 256;

/// One row to normalise.
struct NormArgs {
  const float* x;
  const float* weight;
  const float* bias;  // layer_norm only; may be null
  float epsilon;
  int64_t size;
  float* y;  // may be x
};

inline constexpr int64_t kDotLoopBytes = 640;

/// All CPU kernels of one instruction set; an immutable table.
struct CpuKernels {
  const char* isa;         // "scalar", "avx2", "neon_dotprod", …: the tables of docs/kernels.md
  int64_t tile_rows;       // most rows of x in a panel
  int64_t tile_columns;    // columns of y done together: splits of N are multiples of it
  int64_t query_block;     // queries done together: splits of queries are multiples of it
  int64_t dot_rows;        // most rows of x in a panel of quantise_rows
  int64_t fma_loop_flops;  // operations of one round of fma_loop
  int64_t dot_loop_ops;    // operations (a product and its sum are two) of one round of dot_loop

  void (*pack_rows)(const PackRowsArgs&) noexcept;
  void (*gemm)(const GemmArgs&) noexcept;
  void (*attend)(const AttentionArgs&) noexcept;

  void (*quantise_rows)(const QuantiseRowsArgs&) noexcept;
  void (*gemm_packed)(const PackedGemmArgs&) noexcept;
  /// gemm() with W dequantised panel by panel: w = ws * (code - zero) or ws * code + offset in f32.
  /// weight, weight_dtype and weight_stride of GemmArgs are not read; columns begin at a multiple
  /// of tile_columns. Sums and accuracy are those of gemm().
  void (*gemm_dequantised)(const GemmArgs&, const PackedWeights&) noexcept;

  /// y = x / sqrt(mean(x^2) + epsilon) * weight; relative error of an element <= 1e-6.
  void (*rms_norm)(const NormArgs&) noexcept;
  /// y = (x - mean) / sqrt(variance + epsilon) * weight + bias.
  void (*layer_norm)(const NormArgs&) noexcept;
  /// In place on `heads` vectors of 2 * half: (a, b) -> (a cos - b sin, b cos + a sin), where a is
  /// the first half and b the second; cos and sin [half]. Source: rotate_half of Hugging Face
  /// Llama.
  void (*rotate)(float* x, const float* cos, const float* sin, int64_t heads,
                 int64_t half) noexcept;
  /// y = softmax(x) over `size` >= 1 elements; y may be x.
  void (*softmax)(const float* x, int64_t size, float* y) noexcept;

  // Elementwise over `size` elements; y may be an input.
  void (*add)(const float* a, const float* b, int64_t size, float* y) noexcept;
  /// silu(gate) * up; relative error <= 1e-6.
  void (*silu_mul)(const float* gate, const float* up, int64_t size, float* y) noexcept;
  /// x * Phi(x) by erfc; error <= 5e-7 * |x|.
  void (*gelu)(const float* x, int64_t size, float* y) noexcept;
  /// The tanh approximation of gelu; error <= 1e-6 * |x|.
  void (*gelu_tanh)(const float* x, int64_t size, float* y) noexcept;
  /// x * sigmoid(1.702 x); error <= 1e-6 * |x|.
  void (*quick_gelu)(const float* x, int64_t size, float* y) noexcept;
  /// e^x; relative error <= 2e-7, 0 below -87.33, infinity above 88.72, NaN stays NaN.
  void (*exp)(const float* x, int64_t size, float* y) noexcept;

  /// y += alpha * x.
  void (*axpy)(float alpha, const float* x, int64_t size, float* y) noexcept;
  float (*dot)(const float* a, const float* b, int64_t size) noexcept;
  /// f32 to f16, to the nearest, ties to even; overflow gives infinity, NaN stays NaN.
  void (*narrow)(const float* x, int64_t size, f16* y) noexcept;
  /// f32, f16 or bf16 to f32, exactly.
  void (*widen)(DType dtype, const void* x, int64_t size, float* y) noexcept;

  // What the machine can do at most, for measurements: see peak.h.
  float (*fma_loop)(int64_t rounds) noexcept;
  /// The exact products of 4-bit codes and int8 in registers, without what gathers their sums, on
  /// kDotLoopBytes bytes of 0 to 15.
  int32_t (*dot_loop)(const uint8_t* data, int64_t rounds) noexcept;
  float (*read_loop)(const float* x, int64_t size) noexcept;
};

/// Rows of each panel when `rows` rows are cut into the fewest panels of nearly one size.
constexpr int64_t panel_rows(int64_t rows, int64_t tile_rows) noexcept {
  if (rows <= tile_rows) return rows < 1 ? 1 : rows;
  const int64_t panels = (rows + tile_rows - 1) / tile_rows;
  return (rows + panels - 1) / panels;
}

}  // namespace vila::kernels
