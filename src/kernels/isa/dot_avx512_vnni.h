// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_512.h"
#include "kernels/isa/dot_step_vnni.h"

/// vpdpbusd on 512 bits: 64 products an instruction, x broadcast straight from memory.
namespace vila::kernels {
namespace {
namespace isa {

/// Where the four activations are: the instruction reads and broadcasts them.
struct Quad {
  const int8_t* at;
};

// 14 sums of 32 bits and their 14 totals of floats, 2 vectors of codes.
inline constexpr int kDotRows = 14;
inline constexpr int kDotSums = 14;
inline constexpr int64_t kPartialSteps = int64_t{1} << 30;
inline constexpr int kBytePlanes = 1;

inline Quad broadcast(const int8_t* x) {
  return {x};
}

inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  return {dot_step(sum.value, codes.value, x.at)};
}

inline Sums gather(Sums total, Partial sum) {
  return {_mm512_add_epi32(total.value, sum.value)};
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
