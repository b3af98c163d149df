// SPDX-License-Identifier: Apache-2.0
#include "quantize/clip_search.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "ops/ops.h"

namespace vila::quantize {
namespace {

constexpr int64_t kTokens = 512;  // of the inputs, about
constexpr int kStepsToZero = 20;

/// One group of columns of all rows.
struct Columns {
  int64_t begin;
  int64_t count;
};

Columns columns_of(int64_t g, int64_t in, int64_t group) {
  return {g * group, std::min(group, in - g * group)};
}

/// X^T X / T of the columns over every stride-th token: f32 [count, count], summed in double.
Tensor second_moments(const Tensor& x, const Columns& columns) {
  const int64_t stride = std::max<int64_t>(x.dim(0) / kTokens, 1);
  const auto width = static_cast<size_t>(columns.count);
  std::vector<double> sums(width * width, 0);
  int64_t tokens = 0;
  for (int64_t t = 0; t < x.dim(0); t += stride, ++tokens) {
    const float* row = x.data<float>() + t * x.dim(1) + columns.begin;
    for (size_t a = 0; a < width; ++a) {
      const double factor = double{row[a]};
      for (size_t b = 0; b <= a; ++b)
        sums[a * width + b] += factor * double{row[b]};
    }
  }
  Tensor moments = Tensor::empty(DType::f32, {columns.count, columns.count});
  for (size_t a = 0; a < width; ++a) {
    for (size_t b = 0; b < width; ++b) {
      moments.data<float>()[a * width + b] = static_cast<float>(
          sums[std::max(a, b) * width + std::min(a, b)] / static_cast<double>(tokens));
    }
  }
  return moments;
}

/// max |w| of each row, times a factor.
std::vector<float> row_limits(const Tensor& weights, float factor) {
  std::vector<float> limits(static_cast<size_t>(weights.dim(0)), 0);
  for (int64_t n = 0; n < weights.dim(0); ++n) {
    float& limit = limits[static_cast<size_t>(n)];
    for (const float w : weights.rows(n, n + 1).values<float>())
      limit = std::max(limit, std::abs(w));
    limit *= factor;
  }
  return limits;
}

/// d^T M d for each row's change d when its group is clamped to the row's limit and rounded.
std::vector<double> errors_at(ops::Context& ctx, const Tensor& group_weights, const Tensor& moments,
                              const std::vector<float>& limits, const GridOptions& options) {
  const int64_t rows = group_weights.dim(0);
  const auto width = static_cast<size_t>(group_weights.dim(1));
  const ArenaScope scope(ctx.arena);
  const Tensor change = arena_tensor(ctx.arena, DType::f32, group_weights.shape());
  constexpr int64_t kRowsPerTask = 64;
  ctx.pool.parallel_for(rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const float* w = group_weights.rows(n, n + 1).data<float>();
      const std::span<float> d = change.rows(n, n + 1).values<float>();
      const float limit = limits[static_cast<size_t>(n)];
      for (size_t k = 0; k < width; ++k)
        d[k] = std::clamp(w[k], -limit, limit);
      round_row(d, options);
      for (size_t k = 0; k < width; ++k)
        d[k] -= w[k];
    }
  });
  const Tensor product = ops::linear(ctx, change, moments, {});  // [N, count]; M is symmetric
  std::vector<double> errors(static_cast<size_t>(rows), 0);
  for (int64_t n = 0; n < rows; ++n) {
    const float* d = change.rows(n, n + 1).data<float>();
    const float* p = product.rows(n, n + 1).data<float>();
    for (size_t k = 0; k < width; ++k)
      errors[static_cast<size_t>(n)] += double{d[k]} * double{p[k]};
  }
  return errors;
}

Tensor copy_columns(const Tensor& weight, const Columns& columns) {
  Tensor part = Tensor::empty(DType::f32, {weight.dim(0), columns.count});
  for (int64_t n = 0; n < weight.dim(0); ++n) {
    std::copy_n(weight.data<float>() + n * weight.dim(1) + columns.begin, columns.count,
                part.data<float>() + n * columns.count);
  }
  return part;
}

}  // namespace

ClipChoice search_clips(ops::Context& ctx, const Tensor& weight, const Tensor& x,
                        const GridOptions& options) {
  const int64_t out = weight.dim(0);
  const int64_t groups = options.groups(weight.dim(1));
  ClipChoice choice{Tensor::empty(DType::f32, {out, groups}),
                    Tensor::zeros(DType::u8, {out, groups})};
  for (int64_t g = 0; g < groups; ++g) {
    const Columns columns = columns_of(g, weight.dim(1), options.group);
    const Tensor part = copy_columns(weight, columns);
    const Tensor moments = second_moments(x, columns);
    std::vector<double> least(static_cast<size_t>(out), 1e9);  // the reference's start
    for (int i = 0; i < kClipSteps; ++i) {
      const auto factor = static_cast<float>(1.0 - static_cast<double>(i) / kStepsToZero);
      const std::vector<float> limits = row_limits(part, factor);
      const std::vector<double> errors = errors_at(ctx, part, moments, limits, options);
      for (int64_t n = 0; n < out; ++n) {
        const auto row = static_cast<size_t>(n);
        if (i > 0 && !(errors[row] < least[row])) continue;
        least[row] = errors[row];
        choice.limits.data<float>()[n * groups + g] = limits[row];
        choice.steps.data<uint8_t>()[n * groups + g] = static_cast<uint8_t>(i);
      }
    }
  }
  return choice;
}

Tensor clip_errors(ops::Context& ctx, const Tensor& weight, const Tensor& x, const Tensor& limits,
                   const GridOptions& options) {
  const int64_t groups = options.groups(weight.dim(1));
  Tensor all = Tensor::empty(DType::f64, limits.shape());
  for (int64_t g = 0; g < groups; ++g) {
    const Columns columns = columns_of(g, weight.dim(1), options.group);
    std::vector<float> rows;
    for (int64_t n = 0; n < weight.dim(0); ++n)
      rows.push_back(limits.data<float>()[n * groups + g]);
    const std::vector<double> errors =
        errors_at(ctx, copy_columns(weight, columns), second_moments(x, columns), rows, options);
    for (int64_t n = 0; n < weight.dim(0); ++n)
      all.data<double>()[n * groups + g] = errors[static_cast<size_t>(n)];
  }
  return all;
}

void apply_clips(Tensor& weight, const Tensor& limits, int64_t group) {
  const int64_t in = weight.dim(1);
  const int64_t groups = (in + group - 1) / group;
  VILA_CHECK(limits.shape() == Shape({weight.dim(0), groups}), "{} for {}", limits.text(),
             weight.text());
  for (int64_t n = 0; n < weight.dim(0); ++n) {
    float* row = weight.data<float>() + n * in;
    for (int64_t k = 0; k < in; ++k) {
      const float limit = limits.data<float>()[n * groups + k / group];
      row[k] = std::clamp(row[k], -limit, limit);
    }
  }
}

}  // namespace vila::quantize
