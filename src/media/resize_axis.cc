// SPDX-License-Identifier: Apache-2.0
#include "media/resize_axis.h"

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace vila::media {
namespace {

/// A filter kernel in the arithmetic of Pillow's Resample.c; support is its half width.
struct Kernel {
  double (*weight)(double x);
  double support;
};

double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (0.54 + 0.46 * std::cos(x));
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return {box, 0.5};
    case Filter::bilinear:
      return {bilinear, 1.0};
    case Filter::hamming:
      return {hamming, 1.0};
    case Filter::bicubic:
      return {bicubic, 2.0};
    case Filter::lanczos:
      return {lanczos, 3.0};
    case Filter::nearest:
      break;
  }
  VILA_CHECK(false, "filter without a kernel");
  return {};
}

int32_t to_fixed(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
}

/// The weights of output `i` for the canvas samples from `first` on, as precompute_coeffs() and
/// normalize_coeffs_8bpc() of Pillow make them.
int64_t canvas_weights(const Axis& axis, const Kernel& kernel, int64_t i,
                       std::vector<double>& weights) {
  const double scale = static_cast<double>(axis.canvas) / static_cast<double>(axis.out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double inverse = 1.0 / filter_scale;
  const double center = (static_cast<double>(i) + 0.5) * scale;
  const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
  const auto last = std::min(static_cast<int64_t>(center + support + 0.5), axis.canvas);
  weights.clear();
  double sum = 0;
  for (int64_t x = first; x < last; ++x) {
    weights.push_back(kernel.weight((static_cast<double>(x) - center + 0.5) * inverse));
    sum += weights.back();
  }
  if (sum != 0.0) {
    for (double& weight : weights)
      weight /= sum;
  }
  return first;
}

}  // namespace

AxisWeights axis_weights(const Axis& axis, Filter filter) {
  const Kernel kernel = kernel_of(filter);
  AxisWeights result;
  std::vector<double> row;
  for (int64_t i = axis.out_begin; i < axis.out_begin + axis.out_size; ++i) {
    int64_t at = canvas_weights(axis, kernel, i, row) - axis.image_begin;
    AxisWeights::Run run{std::clamp<int64_t>(at, 0, axis.image_size), 0, result.weights.size(), 0};
    for (const double weight : row) {
      if (at >= 0 && at < axis.image_size) {
        result.weights.push_back(to_fixed(weight));
        ++run.count;
      } else {
        run.outside += to_fixed(weight);
      }
      ++at;
    }
    result.runs.push_back(run);
  }
  return result;
}

}  // namespace vila::media
