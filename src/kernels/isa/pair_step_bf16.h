// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

/// The instruction that attention in bf16 is made of, written out for the reason of
/// dot_step_vnni.h. tests/emulated has a plain one in its place.
namespace vila::kernels {
namespace {
namespace isa {

/// sum + the products of the two bf16 in each word of a and b.
inline __m512 pair_step(__m512 sum, __m512 a, __m512 b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}

/// The words of low, then those of high, rounded to bf16: 32 of them.
inline __m512i narrow_pair(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
