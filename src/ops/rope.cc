// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/helpers.h"
#include "ops/ops.h"

namespace vila::ops {

std::vector<float> rope_frequencies(int64_t head_dim, double theta) {
  VILA_CHECK(head_dim > 0 && head_dim % 2 == 0, "head size {}", head_dim);
  std::vector<float> frequencies;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    // The reference holds frequency and angle in f32: at position 4000 that moves an angle by 1e-4.
    const auto exponent =
        static_cast<double>(static_cast<float>(2 * i) / static_cast<float>(head_dim));
    frequencies.push_back(1.0F / static_cast<float>(std::pow(theta, exponent)));
  }
  return frequencies;
}

RopeTable make_rope_table(int64_t positions, std::span<const float> frequencies) {
  const auto half = static_cast<int64_t>(frequencies.size());
  RopeTable table{Tensor::empty(DType::f32, {positions, half}),
                  Tensor::empty(DType::f32, {positions, half})};
  for (int64_t i = 0; i < half; ++i) {
    const float frequency = frequencies[static_cast<size_t>(i)];
    for (int64_t position = 0; position < positions; ++position) {
      const auto angle = static_cast<double>(static_cast<float>(position) * frequency);
      table.cos.data<float>()[position * half + i] = static_cast<float>(std::cos(angle));
      table.sin.data<float>()[position * half + i] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

RopeTable make_rope_table(int64_t positions, int64_t head_dim, double theta) {
  return make_rope_table(positions, rope_frequencies(head_dim, theta));
}

void rotate(Context& ctx, const RopeTable& table, std::span<const int32_t> positions, Tensor& x) {
  const int64_t half = table.cos.dim(1);
  VILA_CHECK(x.rank() == 3 && x.dim(2) == 2 * half, "x is {} for angles {}", x.text(),
             table.cos.text());
  VILA_CHECK(static_cast<int64_t>(positions.size()) == x.dim(0), "{} positions for x {}",
             positions.size(), x.text());
  for (const int32_t position : positions) {
    VILA_CHECK(position >= 0 && position < table.cos.dim(0), "position {} of {}", position,
               table.cos.dim(0));
  }
  const int64_t heads = x.dim(1);
  const int64_t size = heads * x.dim(2);
  ctx.pool.parallel_for(x.dim(0), rows_per_task(size), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t angles = positions[static_cast<size_t>(t)] * half;
      ctx.kernels.rotate(x.data<float>() + t * size, table.cos.data<float>() + angles,
                         table.sin.data<float>() + angles, heads, half);
    }
  });
}

}  // namespace vila::ops
