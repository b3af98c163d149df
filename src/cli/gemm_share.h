// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/context.h"
#include "spec/config.h"

namespace vila::cli {

/// One matrix product of a vision tower: [rows, depth] x [depth, columns].
struct GemmShape {
  int64_t rows = 0;
  int64_t depth = 0;
  int64_t columns = 0;
};

/// The products of a tower's layer on one picture: attention projections and both of the MLP.
std::vector<GemmShape> layer_shapes(const spec::VisionConfig& vision);

/// Speed of one product beside the peak measured right before and after it (machines that are
/// shared change their speed): medians over `runs`.
struct GemmSpeed {
  GemmShape shape;
  double flops = 0;  // per second
  double peak = 0;   // f32 multiply-adds in registers, per second

  double share() const { return flops / peak; }
};

/// Times ops::linear() on random numbers of that shape. @pre runs >= 1
GemmSpeed measure_gemm(ops::Context& ctx, const GemmShape& shape, int64_t runs);

}  // namespace vila::cli
