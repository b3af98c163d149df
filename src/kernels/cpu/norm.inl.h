// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/math.inl.h"
#include "kernels/kernels.h"

/// Sums over a row, and what is normalised by them.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

/// sum_i term(i-th vector of a, of b) with four running sums, so that additions overlap.
template <typename Term>
float sum_of(const float* a, const float* b, int64_t size, Term term) {
  constexpr int64_t kChains = 4;
  F32 sum[kChains] = {isa::zero(), isa::zero(), isa::zero(), isa::zero()};
  int64_t i = 0;
  for (; i + kChains * kLanes <= size; i += kChains * kLanes) {
    for (int64_t c = 0; c < kChains; ++c) {
      sum[c] = term(isa::load(a + i + c * kLanes), isa::load(b + i + c * kLanes), sum[c]);
    }
  }
  for (; i < size; i += kLanes) {
    const int64_t count = size - i < kLanes ? size - i : kLanes;
    sum[0] = term(isa::load_partial(a + i, count), isa::load_partial(b + i, count), sum[0]);
  }
  return isa::reduce_add(isa::add(isa::add(sum[0], sum[1]), isa::add(sum[2], sum[3])));
}

float dot(const float* a, const float* b, int64_t size) noexcept {
  return sum_of(a, b, size, [](F32 x, F32 y, F32 sum) { return isa::fma(x, y, sum); });
}

float sum(const float* x, int64_t size) {
  return sum_of(x, x, size, [](F32 a, F32, F32 total) { return isa::add(a, total); });
}

/// Whether no element is infinite or NaN: 0 times such a one is NaN.
inline bool is_finite(const float* x, int64_t size) {
  return sum_of(x, x, size, [](F32 a, F32, F32 sum) { return isa::fma(a, isa::zero(), sum); }) ==
         0.0F;
}

inline constexpr float kLargestFloat = 0x1.fffffep127F;

inline float mean_square(const NormArgs& row) {
  return dot(row.x, row.x, row.size) / static_cast<float>(row.size);
}

/// 2^-80 of the row, kept in y, for a row whose squares overflow (elements from about 1e19): its
/// norm is the same, and epsilon is nothing beside it.
inline NormArgs shrunk(const NormArgs& row) {
  map(row.x, row.size, row.y, [](F32 x) { return isa::mul(x, isa::set(0x1p-80F)); });
  NormArgs small = row;
  small.x = row.y;
  small.epsilon = 0.0F;
  return small;
}

void rms_norm(const NormArgs& args) noexcept {
  NormArgs row = args;
  float square = mean_square(args);
  if (square > kLargestFloat) {
    row = shrunk(args);
    square = mean_square(row);
  }
  const F32 factor = isa::set(1.0F / __builtin_sqrtf(square + row.epsilon));
  map(row.x, row.weight, row.size, row.y,
      [factor](F32 x, F32 weight) { return isa::mul(isa::mul(x, factor), weight); });
}

void layer_norm(const NormArgs& args) noexcept {
  const NormArgs row = mean_square(args) > kLargestFloat ? shrunk(args) : args;
  const auto size = static_cast<float>(row.size);
  const F32 mean = isa::set(sum(row.x, row.size) / size);
  map(row.x, row.size, row.y, [mean](F32 x) { return isa::sub(x, mean); });
  const float variance = dot(row.y, row.y, row.size) / size;
  const F32 factor = isa::set(1.0F / __builtin_sqrtf(variance + row.epsilon));
  map(row.y, row.weight, row.size, row.y,
      [factor](F32 x, F32 weight) { return isa::mul(isa::mul(x, factor), weight); });
  if (row.bias != nullptr) add(row.y, row.bias, row.size, row.y);
}

void rotate(float* x, const float* cos, const float* sin, int64_t heads, int64_t half) noexcept {
  for (int64_t head = 0; head < heads; ++head) {
    float* low = x + head * 2 * half;
    float* high = low + half;
    for (int64_t i = 0; i < half; i += kLanes) {
      const int64_t count = half - i < kLanes ? half - i : kLanes;
      const F32 a = isa::load_partial(low + i, count);
      const F32 b = isa::load_partial(high + i, count);
      const F32 c = isa::load_partial(cos + i, count);
      const F32 s = isa::load_partial(sin + i, count);
      isa::store_partial(low + i, count, isa::fnma(b, s, isa::mul(a, c)));
      isa::store_partial(high + i, count, isa::fma(a, s, isa::mul(b, c)));
    }
  }
}

/// The largest of `size` >= 1 elements.
inline float largest(const float* x, int64_t size) {
  F32 most = isa::set(x[0]);
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    most = isa::max(most, isa::load(x + i));
  float result = isa::reduce_max(most);
  for (; i < size; ++i)
    result = x[i] > result ? x[i] : result;
  return result;
}

void softmax(const float* x, int64_t size, float* y) noexcept {
  const F32 most = isa::set(largest(x, size));
  map(x, size, y, [most](F32 a) { return exp(isa::sub(a, most)); });
  const F32 factor = isa::set(1.0F / sum(y, size));
  map(y, size, y, [factor](F32 a) { return isa::mul(a, factor); });
}

}  // namespace
}  // namespace vila::kernels
