// SPDX-License-Identifier: Apache-2.0
#include "quantize/second_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "ops/ops.h"

namespace vila::quantize {
namespace {

constexpr int64_t kTokensPerPart = 1024;
constexpr int64_t kColumnsPerBlock = 64;
constexpr int64_t kRowsPerTask = 8;

Tensor transposed(ops::Context& ctx, const Tensor& x, int64_t begin, int64_t end) {
  const int64_t width = x.dim(1);
  const int64_t rows = end - begin;
  const Tensor t = arena_tensor(ctx.arena, DType::f32, {width, rows});
  constexpr int64_t kColumns = 16;
  ctx.pool.parallel_for(width, kColumns, [&](int64_t first, int64_t last) {
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = x.data<float>() + (begin + r) * width;
      for (int64_t k = first; k < last; ++k)
        t.data<float>()[k * rows + r] = row[k];
    }
  });
  return t;
}

double dot(const double* a, const double* b, int64_t count) {
  // Four sums, so that the additions do not wait for one another.
  double s0 = 0;
  double s1 = 0;
  double s2 = 0;
  double s3 = 0;
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < count; ++i)
    s0 += a[i] * b[i];
  return s0 + s1 + s2 + s3;
}

// R of H = R R^T, in place in the upper triangle: from the last column to the first.
void factor_upper(ops::Context& ctx, const Tensor& h) {
  const int64_t size = h.dim(0);
  double* m = h.data<double>();
  for (int64_t j = size - 1; j >= 0; --j) {
    const double* row = m + j * size;
    const int64_t rest = size - 1 - j;
    const double pivot = row[j] - dot(row + j + 1, row + j + 1, rest);
    VILA_CHECK(pivot > 0, "pivot {} at {}: damping is too small", pivot, j);
    const double root = std::sqrt(pivot);
    m[j * size + j] = root;
    constexpr int64_t kRows = 64;
    ctx.pool.parallel_for(j, kRows, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        double* target = m + i * size;
        target[j] = (target[j] - dot(target + j + 1, row + j + 1, rest)) / root;
      }
    });
  }
}

/// Rounding of one matrix. Columns stand in the order of the model.
class Compensation {
 public:
  Compensation(ops::Context& ctx, const Tensor& weight, const ErrorModel& model,
               QuantisedMatrix grids)
      : ctx_(ctx),
        model_(model),
        weight_(Tensor::empty(DType::f32, weight.shape())),
        errors_(Tensor::zeros(DType::f32, weight.shape())),
        matrix_(std::move(grids)) {
    matrix_.codes = Tensor::empty(DType::u8, weight.shape());  // the caller's own stay
    for (int64_t n = 0; n < matrix_.out; ++n) {
      for (int64_t i = 0; i < matrix_.in; ++i) {
        weight_.data<float>()[n * matrix_.in + i] =
            weight.data<float>()[n * matrix_.in + model.order()[static_cast<size_t>(i)]];
      }
    }
  }

  QuantisedMatrix run() {
    for (int64_t begin = 0; begin < matrix_.in; begin += kColumnsPerBlock)
      round_block(begin, std::min(begin + kColumnsPerBlock, matrix_.in));
    return std::move(matrix_);
  }

 private:
  // Rows of R's columns [begin, end), each divided by its diagonal; the diagonal itself left out.
  Tensor feedback(int64_t begin, int64_t end) const {
    const int64_t size = model_.size();
    const Tensor rows = arena_tensor(ctx_.arena, DType::f32, {end - begin, size});
    for (int64_t k = begin; k < end; ++k) {
      const double* from = model_.factor().data<double>() + k * size;
      float* to = rows.data<float>() + (k - begin) * size;
      for (int64_t i = 0; i < size; ++i)
        to[i] = i < k ? static_cast<float>(from[i] / from[k]) : 0.0F;
    }
    return rows;
  }

  // What all earlier blocks hand on comes by one product, the rest within the block.
  void round_block(int64_t begin, int64_t end) {
    const ArenaScope scope(ctx_.arena);
    const Tensor rows = feedback(begin, end);
    const Tensor earlier = ops::linear(ctx_, errors_, rows, {});  // [N, end - begin]
    ctx_.pool.parallel_for(matrix_.out, kRowsPerTask, [&](int64_t first, int64_t last) {
      for (int64_t n = first; n < last; ++n)
        round_row(n, begin, rows, earlier.rows(n, n + 1).data<float>());
    });
  }

  void round_row(int64_t n, int64_t begin, const Tensor& rows, const float* earlier) {
    const int64_t in = matrix_.in;
    const float* w = weight_.data<float>() + n * in;
    float* error = errors_.data<float>() + n * in;
    for (int64_t i = 0; i < rows.dim(0); ++i) {
      const float* factors = rows.data<float>() + i * in;
      float sum = w[begin + i] + earlier[i];
      for (int64_t j = begin; j < begin + i; ++j)
        sum += error[j] * factors[j];
      const int64_t column = model_.order()[static_cast<size_t>(begin + i)];
      const Grid grid = matrix_.grid(n, column / matrix_.options.group);
      const float code = grid.code(sum);
      matrix_.codes.data<uint8_t>()[n * in + column] = static_cast<uint8_t>(code);
      error[begin + i] = w[begin + i] - (code - grid.zero) * grid.scale;
    }
  }

  ops::Context& ctx_;
  const ErrorModel& model_;
  Tensor weight_;  // [N, K] in the order of the model
  Tensor errors_;  // w - q, 0 where not yet rounded
  QuantisedMatrix matrix_;
};

}  // namespace

Tensor gram(ops::Context& ctx, const Tensor& x) {
  VILA_CHECK(x.dim(0) > 0, "{}", x.text());
  Tensor sums = Tensor::zeros(DType::f32, {x.dim(1), x.dim(1)});
  for (int64_t begin = 0; begin < x.dim(0); begin += kTokensPerPart) {
    const ArenaScope scope(ctx.arena);
    const Tensor columns = transposed(ctx, x, begin, std::min(begin + kTokensPerPart, x.dim(0)));
    const Tensor part = ops::linear(ctx, columns, columns, {});
    for (int64_t i = 0; i < sums.numel(); ++i)
      sums.data<float>()[i] += part.data<float>()[i];
  }
  const float count = static_cast<float>(x.dim(0));
  for (float& sum : sums.values<float>())
    sum /= count;
  return sums;
}

ErrorModel::ErrorModel(ops::Context& ctx, const Tensor& moments, double damping)
    : moments_(moments.to(DType::f32)), order_(static_cast<size_t>(moments.dim(0))) {
  const int64_t size = moments.dim(0);
  float* m = moments_.data<float>();
  double mean = 0;
  for (int64_t k = 0; k < size; ++k)
    mean += double{m[k * size + k]} / static_cast<double>(size);
  const double extra = std::max(damping * mean, 1e-12);
  for (int64_t k = 0; k < size; ++k)
    m[k * size + k] = static_cast<float>(double{m[k * size + k]} + extra);
  std::iota(order_.begin(), order_.end(), int64_t{0});
  std::ranges::stable_sort(order_,
                           [&](int64_t a, int64_t b) { return m[a * size + a] > m[b * size + b]; });
  const Tensor h = Tensor::empty(DType::f64, {size, size});
  for (int64_t i = 0; i < size; ++i) {
    const float* row = moments.data<float>() + order_[static_cast<size_t>(i)] * size;
    for (int64_t j = 0; j < size; ++j) {
      h.data<double>()[i * size + j] =
          double{row[order_[static_cast<size_t>(j)]]} + (i == j ? extra : 0.0);
    }
  }
  factor_upper(ctx, h);
  factor_ = Tensor::zeros(DType::f64, {size, size});
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t k = i; k < size; ++k)
      factor_.data<double>()[k * size + i] = h.data<double>()[i * size + k];
  }
}

QuantisedMatrix compensate(ops::Context& ctx, const Tensor& weight, const ErrorModel& model,
                           QuantisedMatrix grids) {
  VILA_CHECK(weight.shape() == Shape({grids.out, grids.in}) && grids.in == model.size(),
             "{} for {} inputs", weight.text(), model.size());
  return Compensation(ctx, weight, model, std::move(grids)).run();
}

}  // namespace vila::quantize
