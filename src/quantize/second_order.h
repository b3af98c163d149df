// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/context.h"
#include "quantize/grid.h"

namespace vila::quantize {

/// X^T X / T: f32 [K, K] of rows x [T, K].
Tensor gram(ops::Context& ctx, const Tensor& x);

/// How the rounding error of a Linear is weighed: H = X^T X / T + damping * mean(diag) * I of its
/// inputs X, with its columns in the order in which they are rounded (the loudest first) and
/// factored as H = R R^T, R upper triangular. Immutable.
class ErrorModel {
 public:
  /// @param moments  gram(): f32 [K, K]. A column that is never used counts as damping alone.
  ErrorModel(ops::Context& ctx, const Tensor& moments, double damping);

  int64_t size() const { return factor_.dim(0); }

  /// H itself, columns in their own order: f32 [K, K].
  const Tensor& moments() const { return moments_; }

  /// order()[i]: the input that is rounded as the i-th.
  const std::vector<int64_t>& order() const { return order_; }

  /// R^T: row i holds R's column i, f64 [K, K] (below the diagonal R^T's own, above it zeros).
  const Tensor& factor() const { return factor_; }

 private:
  Tensor moments_;
  std::vector<int64_t> order_;
  Tensor factor_;
};

/// Rounds a matrix so that each input's rounding error is made up for by the inputs that are
/// rounded after it: the i-th weight becomes round(w_i + sum_{j<i} (w_j - q_j) R_ji / R_ii), which
/// is the least of (w - q) H (w - q)^T that rounding one after the other can reach.
/// @param weight  f32 [N, K], columns in their own order.
/// @param grids   scales and zero points to round to, fixed beforehand; its codes are replaced.
/// Source: GPTQ, arXiv 2210.17323; its form with H factored instead of inverted: QuIP, arXiv
/// 2307.13304, theorem 6.
QuantisedMatrix compensate(ops::Context& ctx, const Tensor& weight, const ErrorModel& model,
                           QuantisedMatrix grids);

}  // namespace vila::quantize
