// SPDX-License-Identifier: Apache-2.0
#include "cli/gemm_share.h"

#include <algorithm>

#include "base/arena.h"
#include "base/random.h"
#include "base/stopwatch.h"
#include "cli/median.h"
#include "kernels/peak.h"
#include "ops/ops.h"

namespace vila::cli {
namespace {

constexpr double kMinSeconds = 0.05;  // of one timed run, so that the clock does not matter

Tensor random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  Tensor matrix = Tensor::empty(DType::f32, {rows, columns});
  Random random(seed);
  for (float& value : matrix.values<float>())
    value = static_cast<float>(random.uniform() - 0.5);
  return matrix;
}

double timed_flops(ops::Context& ctx, const Tensor& x, const Tensor& weight, double flops) {
  const Stopwatch time;
  int64_t calls = 0;
  do {
    const ArenaScope scope(ctx.arena);
    ops::linear(ctx, x, weight, Tensor());
    ++calls;
  } while (time.seconds() < kMinSeconds);
  return flops * static_cast<double>(calls) / time.seconds();
}

}  // namespace

std::vector<GemmShape> layer_shapes(const spec::VisionConfig& vision) {
  const int64_t rows = vision.patches() + 1;
  return {{rows, vision.hidden_size, vision.hidden_size},
          {rows, vision.hidden_size, vision.intermediate_size},
          {rows, vision.intermediate_size, vision.hidden_size}};
}

GemmSpeed measure_gemm(ops::Context& ctx, const GemmShape& shape, int64_t runs) {
  const Tensor x = random_matrix(shape.rows, shape.depth, 1);
  const Tensor weight = random_matrix(shape.columns, shape.depth, 2);
  const double flops = 2.0 * static_cast<double>(shape.rows) * static_cast<double>(shape.depth) *
                       static_cast<double>(shape.columns);
  std::vector<double> speeds;
  std::vector<double> peaks;
  for (int64_t run = 0; run < runs; ++run) {
    peaks.push_back(kernels::measure_fma_peak(ctx.kernels, ctx.pool, kMinSeconds));
    speeds.push_back(timed_flops(ctx, x, weight, flops));
    peaks.push_back(kernels::measure_fma_peak(ctx.kernels, ctx.pool, kMinSeconds));
  }
  return {shape, median(speeds), median(peaks)};
}

}  // namespace vila::cli
