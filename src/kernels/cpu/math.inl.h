// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/kernels.h"

/// Transcendental functions on vectors and the loops that apply them.
namespace vila::kernels {
namespace {

using isa::F32;
using isa::kLanes;

/// e^x. x = n ln 2 + r with |r| <= ln 2 / 2; e^r by the polynomial of Cephes' expf (Moshier).
/// Results that would be subnormal are 0.
inline F32 exp(F32 x) {
  const F32 lowest = isa::set(-87.33654F);
  const F32 highest = isa::set(89.0F);
  const F32 bounded = isa::min(highest, isa::max(lowest, x));  // NaN stays: it is b
  const F32 n = isa::round(isa::mul(bounded, isa::set(1.44269504F)));
  F32 r = isa::fnma(n, isa::set(0.693359375F), bounded);
  r = isa::fnma(n, isa::set(-2.12194440e-4F), r);
  F32 p = isa::set(1.9875691500e-4F);
  p = isa::fma(p, r, isa::set(1.3981999507e-3F));
  p = isa::fma(p, r, isa::set(8.3334519073e-3F));
  p = isa::fma(p, r, isa::set(4.1665795894e-2F));
  p = isa::fma(p, r, isa::set(1.6666665459e-1F));
  p = isa::fma(p, r, isa::set(5.0000001201e-1F));
  p = isa::add(isa::fma(p, isa::mul(r, r), r), isa::set(1.0F));
  return isa::select_greater(lowest, x, isa::zero(), isa::scale_by_power(p, n));
}

inline F32 sigmoid(F32 x) {
  const F32 one = isa::set(1.0F);
  return isa::div(one, isa::add(one, exp(isa::sub(isa::zero(), x))));
}

/// erfc(z) for z >= 0: t e^(-z^2 + P(t)), t = 1 / (1 + z / 2), with the Chebyshev fit of relative
/// error 1.2e-7 in Press et al., "Numerical Recipes", section 6.2 (erfcc).
inline F32 erfc_positive(F32 z) {
  const F32 t = isa::div(isa::set(1.0F), isa::fma(z, isa::set(0.5F), isa::set(1.0F)));
  F32 p = isa::set(0.17087277F);
  p = isa::fma(p, t, isa::set(-0.82215223F));
  p = isa::fma(p, t, isa::set(1.48851587F));
  p = isa::fma(p, t, isa::set(-1.13520398F));
  p = isa::fma(p, t, isa::set(0.27886807F));
  p = isa::fma(p, t, isa::set(-0.18628806F));
  p = isa::fma(p, t, isa::set(0.09678418F));
  p = isa::fma(p, t, isa::set(0.37409196F));
  p = isa::fma(p, t, isa::set(1.00002368F));
  p = isa::fma(p, t, isa::set(-1.26551223F));
  return isa::mul(t, exp(isa::fnma(z, z, p)));
}

struct Silu {
  F32 operator()(F32 x) const { return isa::mul(x, sigmoid(x)); }
};

struct Gelu {
  F32 operator()(F32 x) const {
    const F32 half = isa::set(0.5F);
    const F32 tail = isa::mul(half, erfc_positive(isa::abs(isa::mul(x, isa::set(0.70710678F)))));
    // Phi(x) is the tail itself on the left, its complement on the right.
    return isa::mul(x, isa::select_greater(x, isa::zero(), isa::sub(isa::set(1.0F), tail), tail));
  }
};

struct GeluTanh {
  F32 operator()(F32 x) const {
    // 0.5 (1 + tanh u) = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
    const F32 cubic = isa::fma(isa::mul(x, x), isa::set(0.044715F), isa::set(1.0F));
    return isa::mul(x, sigmoid(isa::mul(isa::mul(x, cubic), isa::set(1.59576912F))));
  }
};

struct QuickGelu {
  F32 operator()(F32 x) const { return isa::mul(x, sigmoid(isa::mul(x, isa::set(1.702F)))); }
};

struct Exp {
  F32 operator()(F32 x) const { return exp(x); }
};

template <typename Function>
void map(const float* x, int64_t size, float* y, Function function) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    isa::store(y + i, function(isa::load(x + i)));
  if (i < size) {
    isa::store_partial(y + i, size - i, function(isa::load_partial(x + i, size - i)));
  }
}

template <typename Function>
void map(const float* a, const float* b, int64_t size, float* y, Function function) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    isa::store(y + i, function(isa::load(a + i), isa::load(b + i)));
  }
  if (i < size) {
    const int64_t left = size - i;
    isa::store_partial(y + i, left,
                       function(isa::load_partial(a + i, left), isa::load_partial(b + i, left)));
  }
}

void add(const float* a, const float* b, int64_t size, float* y) noexcept {
  map(a, b, size, y, [](F32 left, F32 right) { return isa::add(left, right); });
}

void silu_mul(const float* gate, const float* up, int64_t size, float* y) noexcept {
  map(gate, up, size, y, [](F32 g, F32 u) { return isa::mul(Silu{}(g), u); });
}

template <typename Function>
void apply(const float* x, int64_t size, float* y) noexcept {
  map(x, size, y, Function{});
}

void axpy(float alpha, const float* x, int64_t size, float* y) noexcept {
  const F32 factor = isa::set(alpha);
  map(x, y, size, y, [factor](F32 a, F32 b) { return isa::fma(factor, a, b); });
}

template <typename T>
void widen_of(const T* x, int64_t size, float* y) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    isa::store(y + i, isa::widen(x + i));
  for (; i < size; ++i)
    y[i] = isa::widen_one(x + i);
}

void widen(DType dtype, const void* x, int64_t size, float* y) noexcept {
  switch (dtype) {
    case DType::f16:
      return widen_of(static_cast<const f16*>(x), size, y);
    case DType::bf16:
      return widen_of(static_cast<const bf16*>(x), size, y);
    default:
      return widen_of(static_cast<const float*>(x), size, y);
  }
}

}  // namespace
}  // namespace vila::kernels
