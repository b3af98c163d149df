// SPDX-License-Identifier: Apache-2.0
#include "quantize/refine.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "ops/ops.h"

namespace vila::quantize {
namespace {

constexpr int64_t kRowsPerBlock = 256;
constexpr int64_t kRowsPerTask = 4;
constexpr int kSweeps = 8;  // over the codes of a row; mostly two or three change any

/// A x = b in place, A [n, n] symmetric and positive: Cholesky. False: it is not positive.
bool solve(std::vector<double>& a, std::vector<double>& b) {
  const size_t n = b.size();
  for (size_t j = 0; j < n; ++j) {
    for (size_t k = 0; k < j; ++k)
      a[j * n + j] -= a[j * n + k] * a[j * n + k];
    if (!(a[j * n + j] > 0)) return false;
    a[j * n + j] = std::sqrt(a[j * n + j]);
    for (size_t i = j + 1; i < n; ++i) {
      for (size_t k = 0; k < j; ++k)
        a[i * n + j] -= a[i * n + k] * a[j * n + k];
      a[i * n + j] /= a[j * n + j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k)
      b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k)
      b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return true;
}

/// Rows [begin, end) of one matrix.
class RowBlock {
 public:
  RowBlock(ops::Context& ctx, const Tensor& weight, const Tensor& moments, QuantisedMatrix& matrix,
           int64_t begin, int64_t end)
      : ctx_(ctx),
        weight_(weight.rows(begin, end)),
        h_(moments),
        matrix_(matrix),
        begin_(begin),
        rows_(end - begin),
        in_(matrix.in) {}

  void descend() {
    const ArenaScope scope(ctx_.arena);
    const Tensor errors = arena_tensor(ctx_.arena, DType::f32, {rows_, in_});
    for_rows([&](int64_t n) {
      for (int64_t k = 0; k < in_; ++k)
        at(errors, n, k) = grid(n, k).scale * level(n, k) - at(weight_, n, k);
    });
    const Tensor slopes = ops::linear(ctx_, errors, h_, {});  // (H e)^T, H = H^T
    for_rows([&](int64_t n) {
      for (int sweep = 0; sweep < kSweeps; ++sweep) {
        if (!sweep_row(n, slopes.data<float>() + n * in_)) break;
      }
    });
  }

  void fit_scales() {
    const int64_t groups = matrix_.groups();
    normal_.assign(static_cast<size_t>(rows_ * groups * groups), 0);
    right_.assign(static_cast<size_t>(rows_ * groups), 0);
    for (int64_t g = 0; g < groups; ++g)
      add_equations(g);
    for_rows([&](int64_t n) { fit_row(n); });
  }

 private:
  static float& at(const Tensor& tensor, int64_t row, int64_t column) {
    return tensor.data<float>()[row * tensor.dim(1) + column];
  }

  template <typename Row>
  void for_rows(const Row& row) {
    ctx_.pool.parallel_for(rows_, kRowsPerTask, [&](int64_t first, int64_t last) {
      for (int64_t n = first; n < last; ++n)
        row(n);
    });
  }

  Grid grid(int64_t n, int64_t column) const {
    return matrix_.grid(begin_ + n, column / matrix_.options.group);
  }

  uint8_t& code(int64_t n, int64_t column) {
    return matrix_.codes.data<uint8_t>()[(begin_ + n) * in_ + column];
  }

  // code - zero: what the scale is multiplied with.
  float level(int64_t n, int64_t column) {
    return static_cast<float>(code(n, column)) - grid(n, column).zero;
  }

  // slope: H e of the row, kept true. Whether a code changed.
  bool sweep_row(int64_t n, float* slope) {
    bool is_changed = false;
    for (int64_t i = 0; i < in_; ++i) {
      const Grid own = grid(n, i);
      const float* h = h_.data<float>() + i * in_;
      const float old_code = static_cast<float>(code(n, i));
      const float best = own.code((old_code - own.zero) * own.scale - slope[i] / h[i]);
      if (best == old_code) continue;
      const float change = (best - old_code) * own.scale;
      // Half a step of rounding apart both codes are as good: only a gain counts.
      if (change * (2 * slope[i] + change * h[i]) >= 0) continue;
      code(n, i) = static_cast<uint8_t>(best);
      for (int64_t k = 0; k < in_; ++k)
        slope[k] += change * h[k];
      is_changed = true;
    }
    return is_changed;
  }

  // Row g of each row's equations: b_g H b_h for all h, and b_g H w; b_g are the levels of group g,
  // 0 elsewhere.
  void add_equations(int64_t g) {
    const ArenaScope scope(ctx_.arena);
    const int64_t first = g * matrix_.options.group;
    const int64_t width = std::min(matrix_.options.group, in_ - first);
    const Tensor levels = arena_tensor(ctx_.arena, DType::f32, {rows_, width});
    const Tensor columns = arena_tensor(ctx_.arena, DType::f32, {in_, width});
    for (int64_t k = 0; k < in_; ++k)
      std::copy_n(h_.data<float>() + k * in_ + first, width, columns.data<float>() + k * width);
    for_rows([&](int64_t n) {
      for (int64_t k = 0; k < width; ++k)
        at(levels, n, k) = level(n, first + k);
    });
    const Tensor product = ops::linear(ctx_, levels, columns, {});  // [rows, in]
    const int64_t groups = matrix_.groups();
    for_rows([&](int64_t n) {
      for (int64_t k = 0; k < in_; ++k) {
        const double value = double{at(product, n, k)};
        normal_[static_cast<size_t>((n * groups + g) * groups + k / matrix_.options.group)] +=
            value * double{level(n, k)};
        right_[static_cast<size_t>(n * groups + g)] += value * double{at(weight_, n, k)};
      }
    });
  }

  void fit_row(int64_t n) {
    const int64_t groups = matrix_.groups();
    const auto size = static_cast<size_t>(groups);
    const auto start = normal_.begin() + n * groups * groups;
    std::vector<double> a(start, start + groups * groups);
    std::vector<double> scales(right_.begin() + n * groups, right_.begin() + (n + 1) * groups);
    float* old = matrix_.scales.data<float>() + (begin_ + n) * groups;
    for (size_t g = 0; g < size; ++g) {
      if (a[g * size + g] > 0) continue;  // all codes at the zero point: any scale will do
      a[g * size + g] = 1;
      scales[g] = double{old[g]};
    }
    if (!solve(a, scales)) return;
    if (std::ranges::any_of(scales, [](double s) { return !(s > 0); })) return;
    std::ranges::transform(scales, old, [](double s) { return static_cast<float>(s); });
  }

  ops::Context& ctx_;
  Tensor weight_;
  const Tensor& h_;
  QuantisedMatrix& matrix_;
  int64_t begin_;
  int64_t rows_;
  int64_t in_;
  std::vector<double> normal_;  // [rows, groups, groups]
  std::vector<double> right_;   // [rows, groups]
};

}  // namespace

QuantisedMatrix refine(ops::Context& ctx, const Tensor& weight, const ErrorModel& model,
                       QuantisedMatrix matrix, int rounds) {
  VILA_CHECK(weight.shape() == Shape({matrix.out, matrix.in}) && matrix.in == model.size(),
             "{} for {} inputs", weight.text(), model.size());
  matrix.codes = matrix.codes.to(DType::u8);  // the caller's own stay
  matrix.scales = matrix.scales.to(DType::f32);
  for (int64_t begin = 0; begin < matrix.out; begin += kRowsPerBlock) {
    RowBlock block(ctx, weight, model.moments(), matrix, begin,
                   std::min(begin + kRowsPerBlock, matrix.out));
    for (int round = 0; round < rounds; ++round) {
      block.descend();
      block.fit_scales();
    }
    block.descend();
  }
  return matrix;
}

}  // namespace vila::quantize
