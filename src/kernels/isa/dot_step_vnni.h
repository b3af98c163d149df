// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <immintrin.h>

/// The one instruction that prefill on AVX-512 VNNI is made of. Written out, because GCC 12 neither
/// takes the broadcast from memory as an operand of it nor keeps its sum in one register: it spends
/// two more instructions on each. tests/emulated has a plain one in its place.
namespace vila::kernels {
namespace {
namespace isa {

/// sum + the dot product of four codes of each row and the four bytes at x.
inline __m512i dot_step(__m512i sum, __m512i codes, const int8_t* x) {
  asm("vpdpbusd %2%{1to16%}, %1, %0"
      : "+v"(sum)
      : "v"(codes), "m"(*reinterpret_cast<const int8_t(*)[4]>(x)));
  return sum;
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
