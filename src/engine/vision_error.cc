// SPDX-License-Identifier: Apache-2.0
#include "engine/vision_error.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace vila::engine {
namespace {

double cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0;
  double squares_a = 0;
  double squares_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    squares_a += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    squares_b += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  if (squares_a == 0 && squares_b == 0) return 1;
  return squares_a == 0 || squares_b == 0 ? 0 : product / std::sqrt(squares_a * squares_b);
}

}  // namespace

RowDistance distance_of_rows(const Tensor& rows, const Tensor& truth) {
  VILA_CHECK(rows.shape() == truth.shape() && rows.rank() == 2, "{} against {}", rows.text(),
             truth.text());
  RowDistance distance;
  double sum = 0;
  for (int64_t t = 0; t < rows.dim(0); ++t) {
    const double value =
        cosine(rows.rows(t, t + 1).values<float>(), truth.rows(t, t + 1).values<float>());
    sum += value;
    distance.least_cosine = std::min(distance.least_cosine, value);
  }
  if (rows.dim(0) > 0) distance.mean_cosine = sum / static_cast<double>(rows.dim(0));
  return distance;
}

RowDistance compare_vision(const model::Vila& model, const model::Vila& truth, ops::Context& ctx,
                           const Tensor& pixels) {
  ArenaScope scope(ctx.arena);
  const Tensor rows = model.encode_images(ctx, pixels);
  const Tensor expected = truth.encode_images(ctx, pixels);
  const int64_t width = rows.dim(rows.rank() - 1);
  return distance_of_rows(rows.reshape({-1, width}), expected.reshape({-1, width}));
}

}  // namespace vila::engine
