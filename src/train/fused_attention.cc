// SPDX-License-Identifier: Apache-2.0
#include "train/fused.h"
#include "train/fused_math.h"

namespace vila::train::fused {
namespace {

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

}  // namespace

template <>
VILA_CLONES void rope(Rows rows, const Rope<float>& args) {
  rope_rows(rows, args);
}

template <>
VILA_CLONES void rope(Rows rows, const Rope<bf16>& args) {
  rope_rows(rows, args);
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

}  // namespace vila::train::fused
