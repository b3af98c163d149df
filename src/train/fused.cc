// SPDX-License-Identifier: Apache-2.0
#include "train/fused.h"

#include <bit>
#include <cmath>

// One body, compiled for several instruction sets and chosen when the program is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
#define VILA_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VILA_CLONES
#endif
#define VILA_INLINE inline __attribute__((always_inline))

namespace vila::train::fused {
namespace {

VILA_INLINE float load(float value) {
  return value;
}

VILA_INLINE float load(bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

VILA_INLINE void store(float value, float& target) {
  target = value;
}

/// Round to nearest even. A NaN may become an infinity, which the trainer stops at all the same.
VILA_INLINE void store(float value, bf16& target) {
  const auto bits = std::bit_cast<uint32_t>(value);
  target.bits = static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// e^x within 2 units in the last place, in a form that compilers vectorise: 2^n by the exponent
/// bits, the rest (|r| <= ln 2 / 2) by a polynomial of degree 6.
VILA_INLINE float exp_f32(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
  const float n = (x * 1.44269504F + kRound) - kRound;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const auto power = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(power);
}

VILA_INLINE float sigmoid(float x) {
  return 1.0F / (1.0F + exp_f32(-x));
}

template <typename T>
VILA_INLINE void rms_norm_rows(Rows rows, const float* x, const float* weight, float eps, T* y,
                               float* rstd) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* in = x + r * rows.width;
    T* out = y + r * rows.width;
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < rows.width; ++i)
      sum += in[i] * in[i];
    const float scale = 1.0F / std::sqrt(sum / static_cast<float>(rows.width) + eps);
    rstd[r] = scale;
#pragma omp simd
    for (int64_t i = 0; i < rows.width; ++i)
      store(in[i] * scale * weight[i], out[i]);
  }
}

template <typename T>
VILA_INLINE void rms_norm_grad_rows(Rows rows, const RmsNormGrad<T>& a) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const T* grad = a.grad_y + r * rows.width;
    const float* x = a.x + r * rows.width;
    float* out = a.grad_x + r * rows.width;
    const float scale = a.rstd[r];
    float dot = 0.0F;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < rows.width; ++i)
      dot += load(grad[i]) * a.weight[i] * x[i];
    const float pull = dot * scale * scale * scale / static_cast<float>(rows.width);
#pragma omp simd
    for (int64_t i = 0; i < rows.width; ++i) {
      const float g = load(grad[i]);
      out[i] = g * a.weight[i] * scale - x[i] * pull;
      a.grad_weight[i] += g * x[i] * scale;
    }
  }
}

template <typename T>
VILA_INLINE void swiglu_rows(Rows rows, const T* gate, const T* up, T* out) {
#pragma omp simd
  for (int64_t i = rows.begin * rows.width; i < rows.end * rows.width; ++i) {
    const float g = load(gate[i]);
    store(g * sigmoid(g) * load(up[i]), out[i]);
  }
}

template <typename T>
VILA_INLINE void swiglu_grad_rows(Rows rows, const SwigluGrad<T>& a) {
#pragma omp simd
  for (int64_t i = rows.begin * rows.width; i < rows.end * rows.width; ++i) {
    const float g = load(a.gate[i]);
    const float s = sigmoid(g);
    const float grad = load(a.grad_out[i]);
    store(grad * g * s, a.grad_up[i]);
    store(grad * load(a.up[i]) * s * (1.0F + g * (1.0F - s)), a.grad_gate[i]);
  }
}

template <typename T>
VILA_INLINE void quick_gelu_rows(Rows rows, const T* x, T* out) {
#pragma omp simd
  for (int64_t i = rows.begin * rows.width; i < rows.end * rows.width; ++i) {
    const float v = load(x[i]);
    store(v * sigmoid(1.702F * v), out[i]);
  }
}

template <typename T>
VILA_INLINE void quick_gelu_grad_rows(Rows rows, const T* grad_out, const T* x, T* grad_x) {
#pragma omp simd
  for (int64_t i = rows.begin * rows.width; i < rows.end * rows.width; ++i) {
    const float v = load(x[i]);
    const float s = sigmoid(1.702F * v);
    store(load(grad_out[i]) * (s + 1.702F * v * s * (1.0F - s)), grad_x[i]);
  }
}

template <typename T>
VILA_INLINE void rope_rows(Rows rows, const Rope<T>& a) {
  const int64_t half = a.head_dim / 2;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* cosine = a.cosine + r * half;
    const float* sine = a.sine + r * half;
    for (int64_t h = 0; h < rows.width; h += a.head_dim) {
      const T* in = a.x + r * rows.width + h;
      T* out = a.out + r * rows.width + h;
#pragma omp simd
      for (int64_t i = 0; i < half; ++i) {
        const float low = load(in[i]);
        const float high = load(in[i + half]);
        const float s = a.direction * sine[i];
        store(low * cosine[i] - high * s, out[i]);
        store(high * cosine[i] + low * s, out[i + half]);
      }
    }
  }
}

template <typename T>
VILA_INLINE void softmax_rows(Rows rows, const Softmax& options, T* scores) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    T* row = scores + r * rows.width;
    const int64_t count = options.is_causal ? r % rows.width + 1 : rows.width;
    float largest = load(row[0]);
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < count; ++i) {
      const float v = load(row[i]);
      largest = v > largest ? v : largest;
    }
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; ++i)
      sum += exp_f32((load(row[i]) - largest) * options.scale);
    const float factor = 1.0F / sum;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      store(exp_f32((load(row[i]) - largest) * options.scale) * factor, row[i]);
    }
    for (int64_t i = count; i < rows.width; ++i)
      store(0.0F, row[i]);
  }
}

template <typename T>
VILA_INLINE void softmax_grad_rows(Rows rows, const Softmax& options, const T* probabilities,
                                   T* grad) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const T* p = probabilities + r * rows.width;
    T* g = grad + r * rows.width;
    float dot = 0.0F;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < rows.width; ++i)
      dot += load(p[i]) * load(g[i]);
#pragma omp simd
    for (int64_t i = 0; i < rows.width; ++i) {
      store(load(p[i]) * (load(g[i]) - dot) * options.scale, g[i]);
    }
  }
}

/// Calls visit(element of the heads layout, element of the rows layout or -1) for each run of
/// head_dim elements of the samples.
template <typename Visit>
VILA_INLINE void for_heads(int64_t begin, int64_t end, const HeadLayout& a, const Visit& visit) {
  for (int64_t sample = begin; sample < end; ++sample) {
    for (int64_t head = 0; head < a.heads; ++head) {
      for (int64_t i = 0; i < a.length; ++i) {
        const int64_t row = a.index[sample * a.length + i];
        const int64_t slot = (sample * a.heads + head) * a.length + i;
        visit(slot * a.head_dim, row < 0 ? -1 : (row * a.heads + head) * a.head_dim);
      }
    }
  }
}

template <typename T>
VILA_INLINE void split_heads_of(int64_t begin, int64_t end, const HeadLayout& a, const T* x,
                                T* out) {
  for_heads(begin, end, a, [&](int64_t to, int64_t from) {
    for (int64_t i = 0; i < a.head_dim; ++i)
      out[to + i] = from < 0 ? T{} : x[from + i];
  });
}

template <typename T>
VILA_INLINE void merge_heads_of(int64_t begin, int64_t end, const HeadLayout& a, const T* x,
                                T* out) {
  for_heads(begin, end, a, [&](int64_t from, int64_t to) {
    if (to < 0) return;
    for (int64_t i = 0; i < a.head_dim; ++i)
      out[to + i] = x[from + i];
  });
}

template <typename T>
VILA_INLINE void layer_norm_rows(Rows rows, const LayerNorm<T>& a) {
  const float share = 1.0F / static_cast<float>(rows.width);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* x = a.x + r * rows.width;
    T* y = a.y + r * rows.width;
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < rows.width; ++i)
      sum += x[i];
    const float mean = sum * share;
    float squares = 0.0F;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < rows.width; ++i)
      squares += (x[i] - mean) * (x[i] - mean);
    const float scale = 1.0F / std::sqrt(squares * share + a.eps);
    a.mean[r] = mean;
    a.rstd[r] = scale;
#pragma omp simd
    for (int64_t i = 0; i < rows.width; ++i) {
      store((x[i] - mean) * scale * a.weight[i] + a.bias[i], y[i]);
    }
  }
}

template <typename T>
VILA_INLINE void layer_norm_grad_rows(Rows rows, const LayerNormGrad<T>& a) {
  const float share = 1.0F / static_cast<float>(rows.width);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* x = a.x + r * rows.width;
    const T* grad = a.grad_y + r * rows.width;
    float* out = a.grad_x + r * rows.width;
    const float mean = a.mean[r];
    const float scale = a.rstd[r];
    float sum = 0.0F;
    float dot = 0.0F;
#pragma omp simd reduction(+ : sum, dot)
    for (int64_t i = 0; i < rows.width; ++i) {
      const float g = load(grad[i]) * a.weight[i];
      sum += g;
      dot += g * (x[i] - mean) * scale;
    }
#pragma omp simd
    for (int64_t i = 0; i < rows.width; ++i) {
      const float g = load(grad[i]);
      const float normal = (x[i] - mean) * scale;
      out[i] = scale * (g * a.weight[i] - (sum + normal * dot) * share);
      a.grad_weight[i] += g * normal;
      a.grad_bias[i] += g;
    }
  }
}

template <typename T>
VILA_INLINE void cross_entropy_rows(Rows rows, T* logits, const int64_t* targets, float scale,
                                    float* loss) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    T* row = logits + r * rows.width;
    float largest = load(row[0]);
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < rows.width; ++i) {
      const float v = load(row[i]);
      largest = v > largest ? v : largest;
    }
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < rows.width; ++i)
      sum += exp_f32(load(row[i]) - largest);
    const float target_logit = load(row[targets[r]]);
    loss[r] = std::log(sum) + largest - target_logit;
    const float factor = scale / sum;
#pragma omp simd
    for (int64_t i = 0; i < rows.width; ++i)
      store(exp_f32(load(row[i]) - largest) * factor, row[i]);
    store(exp_f32(target_logit - largest) * factor - scale, row[targets[r]]);
  }
}

}  // namespace

template <>
VILA_CLONES void rms_norm(Rows rows, const float* x, const float* weight, float eps, float* y,
                          float* rstd) {
  rms_norm_rows(rows, x, weight, eps, y, rstd);
}

template <>
VILA_CLONES void rms_norm(Rows rows, const float* x, const float* weight, float eps, bf16* y,
                          float* rstd) {
  rms_norm_rows(rows, x, weight, eps, y, rstd);
}

template <>
VILA_CLONES void rms_norm_grad(Rows rows, const RmsNormGrad<float>& args) {
  rms_norm_grad_rows(rows, args);
}

template <>
VILA_CLONES void rms_norm_grad(Rows rows, const RmsNormGrad<bf16>& args) {
  rms_norm_grad_rows(rows, args);
}

template <>
VILA_CLONES void swiglu(Rows rows, const float* gate, const float* up, float* out) {
  swiglu_rows(rows, gate, up, out);
}

template <>
VILA_CLONES void swiglu(Rows rows, const bf16* gate, const bf16* up, bf16* out) {
  swiglu_rows(rows, gate, up, out);
}

template <>
VILA_CLONES void swiglu_grad(Rows rows, const SwigluGrad<float>& args) {
  swiglu_grad_rows(rows, args);
}

template <>
VILA_CLONES void swiglu_grad(Rows rows, const SwigluGrad<bf16>& args) {
  swiglu_grad_rows(rows, args);
}

template <>
VILA_CLONES void quick_gelu(Rows rows, const float* x, float* out) {
  quick_gelu_rows(rows, x, out);
}

template <>
VILA_CLONES void quick_gelu(Rows rows, const bf16* x, bf16* out) {
  quick_gelu_rows(rows, x, out);
}

template <>
VILA_CLONES void quick_gelu_grad(Rows rows, const float* grad_out, const float* x, float* grad_x) {
  quick_gelu_grad_rows(rows, grad_out, x, grad_x);
}

template <>
VILA_CLONES void quick_gelu_grad(Rows rows, const bf16* grad_out, const bf16* x, bf16* grad_x) {
  quick_gelu_grad_rows(rows, grad_out, x, grad_x);
}

template <>
VILA_CLONES void rope(Rows rows, const Rope<float>& args) {
  rope_rows(rows, args);
}

template <>
VILA_CLONES void rope(Rows rows, const Rope<bf16>& args) {
  rope_rows(rows, args);
}

template <>
VILA_CLONES void cross_entropy(Rows rows, float* logits, const int64_t* targets, float scale,
                               float* loss) {
  cross_entropy_rows(rows, logits, targets, scale, loss);
}

template <>
VILA_CLONES void cross_entropy(Rows rows, bf16* logits, const int64_t* targets, float scale,
                               float* loss) {
  cross_entropy_rows(rows, logits, targets, scale, loss);
}

template <>
VILA_CLONES void softmax(Rows rows, const Softmax& options, float* scores) {
  softmax_rows(rows, options, scores);
}

template <>
VILA_CLONES void softmax(Rows rows, const Softmax& options, bf16* scores) {
  softmax_rows(rows, options, scores);
}

template <>
VILA_CLONES void softmax_grad(Rows rows, const Softmax& options, const float* probabilities,
                              float* grad) {
  softmax_grad_rows(rows, options, probabilities, grad);
}

template <>
VILA_CLONES void softmax_grad(Rows rows, const Softmax& options, const bf16* probabilities,
                              bf16* grad) {
  softmax_grad_rows(rows, options, probabilities, grad);
}

template <>
VILA_CLONES void split_heads(int64_t begin, int64_t end, const HeadLayout& layout, const float* x,
                             float* out) {
  split_heads_of(begin, end, layout, x, out);
}

template <>
VILA_CLONES void split_heads(int64_t begin, int64_t end, const HeadLayout& layout, const bf16* x,
                             bf16* out) {
  split_heads_of(begin, end, layout, x, out);
}

template <>
VILA_CLONES void merge_heads(int64_t begin, int64_t end, const HeadLayout& layout, const float* x,
                             float* out) {
  merge_heads_of(begin, end, layout, x, out);
}

template <>
VILA_CLONES void merge_heads(int64_t begin, int64_t end, const HeadLayout& layout, const bf16* x,
                             bf16* out) {
  merge_heads_of(begin, end, layout, x, out);
}

template <>
VILA_CLONES void layer_norm(Rows rows, const LayerNorm<float>& args) {
  layer_norm_rows(rows, args);
}

template <>
VILA_CLONES void layer_norm(Rows rows, const LayerNorm<bf16>& args) {
  layer_norm_rows(rows, args);
}

template <>
VILA_CLONES void layer_norm_grad(Rows rows, const LayerNormGrad<float>& args) {
  layer_norm_grad_rows(rows, args);
}

template <>
VILA_CLONES void layer_norm_grad(Rows rows, const LayerNormGrad<bf16>& args) {
  layer_norm_grad_rows(rows, args);
}

VILA_CLONES void adamw(int64_t begin, int64_t end, const AdamW& a) {
  const float root2 = std::sqrt(a.correction2);
  const float step = a.lr / a.correction1;
  const float keep = 1.0F - a.lr * a.decay;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float grad = a.grad[i] * a.grad_scale;
    const float mean = a.mean[i] + (grad - a.mean[i]) * (1.0F - a.beta1);
    const float variance = a.variance[i] * a.beta2 + (1.0F - a.beta2) * grad * grad;
    a.mean[i] = mean;
    a.variance[i] = variance;
    a.parameter[i] = a.parameter[i] * keep - step * mean / (std::sqrt(variance) / root2 + a.eps);
  }
}

}  // namespace vila::train::fused
