// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace vila::kernels::reference {

void gemm(const Gemm& args, double* y) {
  for (int64_t m = 0; m < args.rows; ++m) {
    for (int64_t n = 0; n < args.columns; ++n) {
      double sum = args.bias == nullptr ? 0.0 : static_cast<double>(args.bias[n]);
      for (int64_t k = 0; k < args.depth; ++k) {
        sum += static_cast<double>(args.x[m * args.depth + k]) *
               static_cast<double>(args.w[n * args.depth + k]);
      }
      y[m * args.columns + n] = sum;
    }
  }
}

void gemm_magnitude(const Gemm& args, double* y) {
  for (int64_t m = 0; m < args.rows; ++m) {
    for (int64_t n = 0; n < args.columns; ++n) {
      double sum = args.bias == nullptr ? 0.0 : std::abs(static_cast<double>(args.bias[n]));
      for (int64_t k = 0; k < args.depth; ++k) {
        sum += std::abs(static_cast<double>(args.x[m * args.depth + k]) *
                        static_cast<double>(args.w[n * args.depth + k]));
      }
      y[m * args.columns + n] = sum;
    }
  }
}

QuantisedGroup quantise_group(const float* x, int64_t size, int8_t* codes) {
  std::fill(codes, codes + size, int8_t{0});
  float absmax = 0;
  for (int64_t k = 0; k < size; ++k) {
    if (!std::isfinite(x[k])) return {std::numeric_limits<float>::quiet_NaN(), 0};
    absmax = std::max(absmax, std::abs(x[k]));
  }
  if (absmax < 1e-30F) return {};
  QuantisedGroup result{absmax / 127.0F, 0};
  const float factor = 127.0F / absmax;
  for (int64_t k = 0; k < size; ++k) {
    codes[k] = static_cast<int8_t>(std::nearbyint(x[k] * factor));
    result.sum += codes[k];
  }
  return result;
}

namespace {

/// What group g of a row of x adds to column n, its codes and scale given.
struct Term {
  double value = 0;
  double magnitude = 0;
};

Term group_term(const PackedMatrix& w, int64_t n, int64_t g, const int8_t* codes, float x_scale) {
  Term term;
  const double scale = w.scale(n, g);
  const double shift = w.has_offsets ? double{w.shift(n, g)} : -scale * double{w.shift(n, g)};
  for (int64_t k = 0; k < w.group; ++k) {
    const double x = double{x_scale} * codes[k];
    const double part = scale * w.code(n, g * w.group + k);
    term.value += x * (part + shift);
    term.magnitude += std::abs(x) * (std::abs(part) + std::abs(shift));
  }
  return term;
}

// What element e of vector j of keys or values is worth.
double kv_element(const AttentionArgs& args, const void* vectors, const float* scales, int64_t j,
                  int64_t e) {
  const int64_t at = j * args.kv_stride + e;
  switch (args.kv_dtype) {
    case DType::f16:
      return static_cast<double>(to_f32(static_cast<const f16*>(vectors)[at]));
    case DType::i8:
      return static_cast<double>(scales[j]) *
             static_cast<double>(static_cast<const int8_t*>(vectors)[at]);
    default:
      return static_cast<double>(static_cast<const float*>(vectors)[at]);
  }
}

// One query of one head that sees `seen` keys: out [E].
void attend_one(const AttentionArgs& args, const float* query, int64_t seen, double* out) {
  std::vector<float> scores(static_cast<size_t>(seen));
  for (int64_t j = 0; j < seen; ++j) {
    double score = 0;
    for (int64_t e = 0; e < args.head_dim; ++e)
      score += static_cast<double>(query[e]) * kv_element(args, args.k, args.k_scales, j, e);
    scores[static_cast<size_t>(j)] = static_cast<float>(score * static_cast<double>(args.scale));
  }
  std::vector<double> weights(scores.size());
  softmax(scores.data(), seen, weights.data());
  for (int64_t e = 0; e < args.head_dim; ++e) {
    out[e] = 0;
    for (int64_t j = 0; j < seen; ++j)
      out[e] += weights[static_cast<size_t>(j)] * kv_element(args, args.v, args.v_scales, j, e);
  }
}

}  // namespace

void gemm_packed(const PackedGemm& args, double* y, double* magnitude) {
  const PackedMatrix& w = args.weight;
  std::vector<int8_t> codes(static_cast<size_t>(w.group));
  for (int64_t m = 0; m < args.rows; ++m) {
    for (int64_t n = 0; n < w.out; ++n) {
      y[m * w.out + n] = args.bias == nullptr ? 0.0 : double{args.bias[n]};
      magnitude[m * w.out + n] = std::abs(y[m * w.out + n]);
    }
    for (int64_t g = 0; g < w.groups(); ++g) {
      const float* x = args.x + m * w.in + g * w.group;
      const float x_scale = quantise_group(x, w.group, codes.data()).scale;
      for (int64_t n = 0; n < w.out; ++n) {
        const Term term = group_term(w, n, g, codes.data(), x_scale);
        y[m * w.out + n] += term.value;
        magnitude[m * w.out + n] += term.magnitude;
      }
    }
  }
}

void attend(const AttentionArgs& args, double* out) {
  for (int64_t i = 0; i < args.queries; ++i) {
    const int64_t seen = args.causal ? std::min(args.keys, args.first_seen + i) : args.keys;
    for (int64_t head = 0; head < args.heads; ++head) {
      attend_one(args, args.q + i * args.q_stride + head * args.head_dim, seen,
                 out + (i * args.heads + head) * args.head_dim);
    }
  }
}

void rms_norm(const NormArgs& args, double* y) {
  double squares = 0;
  for (int64_t i = 0; i < args.size; ++i) {
    squares += static_cast<double>(args.x[i]) * static_cast<double>(args.x[i]);
  }
  const double scale =
      1.0 / std::sqrt(squares / static_cast<double>(args.size) + static_cast<double>(args.epsilon));
  for (int64_t i = 0; i < args.size; ++i) {
    y[i] = static_cast<double>(args.x[i]) * scale * static_cast<double>(args.weight[i]);
  }
}

void layer_norm(const NormArgs& args, double* y) {
  const auto size = static_cast<double>(args.size);
  double mean = 0;
  for (int64_t i = 0; i < args.size; ++i)
    mean += static_cast<double>(args.x[i]) / size;
  double variance = 0;
  for (int64_t i = 0; i < args.size; ++i) {
    const double centred = static_cast<double>(args.x[i]) - mean;
    variance += centred * centred / size;
  }
  const double scale = 1.0 / std::sqrt(variance + static_cast<double>(args.epsilon));
  for (int64_t i = 0; i < args.size; ++i) {
    const double bias = args.bias == nullptr ? 0.0 : static_cast<double>(args.bias[i]);
    y[i] = (static_cast<double>(args.x[i]) - mean) * scale * static_cast<double>(args.weight[i]) +
           bias;
  }
}

void softmax(const float* x, int64_t size, double* y) {
  const auto most = static_cast<double>(*std::max_element(x, x + size));
  double total = 0;
  for (int64_t i = 0; i < size; ++i)
    total += y[i] = std::exp(static_cast<double>(x[i]) - most);
  for (int64_t i = 0; i < size; ++i)
    y[i] /= total;
}

double silu(double x) {
  return x / (1.0 + std::exp(-x));
}

double gelu(double x) {
  return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
}

double gelu_tanh(double x) {
  const double inner = std::sqrt(2.0 * std::numbers::inv_pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(inner));
}

double quick_gelu(double x) {
  return x / (1.0 + std::exp(-1.702 * x));
}

}  // namespace vila::kernels::reference
