// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/isa/dot_256.h"

/// Without a dot product instruction: vpmaddubsw adds two products of bytes in 16 bits, which would
/// saturate for codes of 8 bits (2 * 255 * 127). Codes up to 15 leave room for eight such sums
/// (16 * 15 * 127 = 30480) before they need 32 bits, so bytes are taken as two nibbles.
namespace vila::kernels {
namespace {
namespace isa {

// 10 partial sums, 2 vectors of codes, x and 2 products take 15 of the 16 registers.
inline constexpr int kDotRows = 5;
inline constexpr int kDotSums = 10;
inline constexpr int64_t kPartialSteps = 8;
inline constexpr int kBytePlanes = 2;

inline Partial accumulate(Partial sum, Codes codes, Quad x) {
  return {_mm256_add_epi16(sum.value, _mm256_maddubs_epi16(codes.value, x.value))};
}

/// accumulate() of two vectors of codes. Written out, because GCC 12 moves the sums of a line
/// behind all its products, and then has to keep half of them on the stack; and because the order
/// matters: two products, then two sums, is a fifth faster on Zen 3 than product, sum, product,
/// sum.
inline void accumulate_two(Partial (&sum)[2], const Codes (&codes)[2], Quad x) {
  __m256i product[2];
  asm("vpmaddubsw %[x], %[codes0], %[product0]\n\t"
      "vpmaddubsw %[x], %[codes1], %[product1]\n\t"
      "vpaddw %[product0], %[sum0], %[sum0]\n\t"
      "vpaddw %[product1], %[sum1], %[sum1]"
      : [sum0] "+x"(sum[0].value), [sum1] "+x"(sum[1].value), [product0] "=&x"(product[0]),
        [product1] "=&x"(product[1])
      : [codes0] "x"(codes[0].value), [codes1] "x"(codes[1].value), [x] "x"(x.value));
}

inline Sums accumulate_pairs(Sums sum, Codes codes, Quad x) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i product;
  asm("vpmaddubsw %[x], %[codes], %[product]\n\t"
      "vpmaddwd %[ones], %[product], %[product]\n\t"
      "vpaddd %[product], %[sum], %[sum]"
      : [sum] "+x"(sum.value), [product] "=&x"(product)
      : [codes] "x"(codes.value), [x] "x"(x.value), [ones] "x"(ones));
  return sum;
}

inline Sums gather(Sums total, Partial sum) {
  const __m256i pairs = _mm256_madd_epi16(sum.value, _mm256_set1_epi16(1));
  return {_mm256_add_epi32(total.value, pairs)};
}

}  // namespace isa
}  // namespace
}  // namespace vila::kernels
