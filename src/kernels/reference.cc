// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference.h"

#include <algorithm>
#include <cmath>
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

void attend(const AttentionArgs& args, double* out) {
  for (int64_t i = 0; i < args.queries; ++i) {
    const int64_t seen = args.causal ? std::min(args.keys, args.first_seen + i) : args.keys;
    std::vector<float> scores(static_cast<size_t>(seen));
    for (int64_t j = 0; j < seen; ++j) {
      double score = 0;
      for (int64_t e = 0; e < args.head_dim; ++e) {
        score += static_cast<double>(args.q[i * args.q_stride + e]) *
                 static_cast<double>(args.k[j * args.kv_stride + e]);
      }
      scores[static_cast<size_t>(j)] = static_cast<float>(score * static_cast<double>(args.scale));
    }
    std::vector<double> weights(scores.size());
    softmax(scores.data(), seen, weights.data());
    for (int64_t e = 0; e < args.head_dim; ++e) {
      double sum = 0;
      for (int64_t j = 0; j < seen; ++j) {
        sum +=
            weights[static_cast<size_t>(j)] * static_cast<double>(args.v[j * args.kv_stride + e]);
      }
      out[i * args.head_dim + e] = sum;
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
