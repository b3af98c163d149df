// SPDX-License-Identifier: Apache-2.0
#include "cli/self_test.h"

#include <cmath>

#include <fmt/format.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "ops/ops.h"

namespace vila::cli {
namespace {

// No multiples of what registers hold.
constexpr int64_t kRows = 7;
constexpr int64_t kDepth = 256;
constexpr int64_t kColumns = 53;
constexpr int64_t kGroup = 64;
// Relative errors (root mean square) that rounding explains: of f32 sums, of int8 activations.
constexpr double kFloatError = 1e-5;
constexpr double kInt8Error = 0.02;

Tensor random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  Tensor matrix = Tensor::empty(DType::f32, {rows, columns});
  Random random(seed);
  for (float& value : matrix.values<float>())
    value = static_cast<float>(random.normal());
  return matrix;
}

Q4Matrix random_codes() {
  Q4Matrix codes = Q4Matrix::zeros(kColumns, kDepth, kGroup);
  Random random(3);
  for (int64_t n = 0; n < kColumns; ++n) {
    for (int64_t k = 0; k < kDepth; ++k)
      codes.set_code(n, k, static_cast<unsigned>(random.below(16)));
  }
  for (float& scale : codes.scales.values<float>())
    scale = 0.125F;
  for (float& offset : codes.offsets.values<float>())
    offset = -0.125F * static_cast<float>(random.below(16));
  return codes;
}

// Root mean square of y - x W^T, summed in double, as a share of that of x W^T.
double relative_error(const Tensor& y, const Tensor& x, const Tensor& weight) {
  double difference = 0;
  double size = 0;
  for (int64_t m = 0; m < kRows; ++m) {
    for (int64_t n = 0; n < kColumns; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < kDepth; ++k) {
        sum +=
            double{x.data<float>()[m * kDepth + k]} * double{weight.data<float>()[n * kDepth + k]};
      }
      difference += std::pow(double{y.data<float>()[m * kColumns + n]} - sum, 2);
      size += sum * sum;
    }
  }
  return std::sqrt(difference / size);
}

}  // namespace

std::string self_test(const kernels::CpuKernels& kernels) {
  Arena arena;
  ThreadPool pool(1);
  ops::Context ctx{arena, pool, kernels, {}};
  const Tensor x = random_matrix(kRows, kDepth, 1);
  const Tensor dense = random_matrix(kColumns, kDepth, 2);
  std::string faults;
  const auto check = [&](const char* what, double error, double tolerance) {
    if (error <= tolerance) return;  // NaN is not
    faults += fmt::format("{}{}: error {:.2g}", faults.empty() ? "" : "; ", what, error);
  };
  check("f32", relative_error(ops::linear(ctx, x, dense, {}), x, dense), kFloatError);
  const auto check_packed = [&](const PackedMatrix& matrix) {
    const Tensor weight = dequantise(matrix);
    const std::string name = fmt::format("{} bit", matrix.bits);
    ctx.packed_activations = ops::PackedActivations::float32;
    check((name + ", f32").c_str(), relative_error(ops::linear(ctx, x, matrix, {}), x, weight),
          kFloatError);
    ctx.packed_activations = ops::PackedActivations::int8;
    check((name + ", int8").c_str(), relative_error(ops::linear(ctx, x, matrix, {}), x, weight),
          kInt8Error);
  };
  check_packed(pack(random_codes()));
  check_packed(quantise_rows_8bit(dense, kDepth));
  return faults;
}

}  // namespace vila::cli
