// SPDX-License-Identifier: Apache-2.0
#include "train/fused.h"

#include "train/fused_math.h"

namespace vila::train::fused {
namespace {

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
