// SPDX-License-Identifier: Apache-2.0
#include "formats/awq_pack.h"

#include <array>

#include "base/error.h"
#include "base/numeric.h"

namespace vila::formats {
namespace {

constexpr int64_t kNibbles = 8;  // of a 32-bit word
constexpr std::array<int64_t, 8> kInterleave = {0, 2, 4, 6, 1, 3, 5, 7};

// Words of zero points of one row: scales are padded to 8 times as many.
int64_t zeros_width(int64_t groups, int64_t group) {
  const int64_t multiple = group >= 128 ? 1 : group == 64 ? 2 : 4;
  return round_up((groups + kNibbles - 1) / kNibbles, multiple);
}

void set_nibble(const Tensor& words, int64_t row, int64_t column, int64_t nibble, unsigned value) {
  int32_t& word = words.data<int32_t>()[row * words.dim(1) + column];
  word = static_cast<int32_t>(static_cast<uint32_t>(word) | value << (4 * nibble));
}

// Any 16-bit element.
uint16_t& element(const Tensor& matrix, int64_t row, int64_t column) {
  return static_cast<uint16_t*>(matrix.raw())[row * matrix.dim(1) + column];
}

// -(scale * zero) in the type of the scale.
uint16_t scaled_zero(DType dtype, uint16_t scale, unsigned zero) {
  const auto z = static_cast<float>(zero);
  if (dtype == DType::f16) return to_f16(-(to_f32(f16{scale}) * z)).bits;
  return to_bf16(-(to_f32(bf16{scale}) * z)).bits;
}

AwqTensors pack_gemm(const AwqSource& source, int64_t out, int64_t in, int64_t groups) {
  AwqTensors packed{Tensor::zeros(DType::i32, {in, out / kNibbles}),
                    Tensor::zeros(DType::i32, {groups, out / kNibbles}),
                    Tensor::zeros(DType::f16, {groups, out})};
  for (int64_t c = 0; c < out / kNibbles; ++c) {
    for (int64_t i = 0; i < kNibbles; ++i) {
      const int64_t n = kNibbles * c + kInterleave[static_cast<size_t>(i)];
      for (int64_t k = 0; k < in; ++k)
        set_nibble(packed.qweight, k, c, i, source.codes.data<uint8_t>()[n * in + k]);
      for (int64_t g = 0; g < groups; ++g) {
        set_nibble(packed.zeros, g, c, i, source.zeros.data<uint8_t>()[n * groups + g]);
        element(packed.scales, g, n) = element(source.scales, n, g);
      }
    }
  }
  return packed;
}

AwqTensors pack_gemv(const AwqSource& source, int64_t out, int64_t in, int64_t groups) {
  const int64_t width = zeros_width(groups, source.group);
  AwqTensors packed{Tensor::zeros(DType::i32, {out, in / kNibbles}),
                    Tensor::zeros(DType::i32, {out, width}),
                    Tensor::zeros(DType::f16, {out, kNibbles * width})};
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t k = 0; k < in; ++k)
      set_nibble(packed.qweight, n, k / kNibbles, k % kNibbles,
                 source.codes.data<uint8_t>()[n * in + k]);
    for (int64_t g = 0; g < groups; ++g) {
      set_nibble(packed.zeros, n, g / kNibbles, g % kNibbles,
                 source.zeros.data<uint8_t>()[n * groups + g]);
      element(packed.scales, n, g) = element(source.scales, n, g);
    }
  }
  return packed;
}

// Of each 64 columns and 4 rows, 64 words of 16 bit: 16 for each row, whose nibbles are 8 columns
// apart.
AwqTensors pack_v2(const AwqSource& source, int64_t out, int64_t in, int64_t groups) {
  const DType dtype = source.scales.dtype();
  const int64_t padded = kNibbles * zeros_width(groups, source.group);
  AwqTensors packed{Tensor::zeros(DType::i16, {out / 4, in}), Tensor::zeros(dtype, {padded, out}),
                    Tensor::zeros(dtype, {padded, out})};
  const uint8_t* codes = source.codes.data<uint8_t>();
  for (int64_t block = 0; block < out / 4; ++block) {
    for (int64_t c = 0; c < in; ++c) {
      const int64_t n = 4 * block + c % 64 / 16;
      const int64_t k = c / 64 * 64 + c % 16 / 8 * 32 + c % 8;
      unsigned word = 0;
      for (int64_t t = 0; t < 4; ++t)
        word |= static_cast<unsigned>(codes[n * in + k + 8 * t]) << (4 * t);
      element(packed.qweight, block, c) = static_cast<uint16_t>(word);
    }
  }
  const bool is_scaled = source.zeros.dtype() == DType::f16;
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t g = 0; g < groups; ++g) {
      const uint16_t scale = element(source.scales, n, g);
      element(packed.scales, g, n) = scale;
      element(packed.zeros, g, n) =
          is_scaled ? element(source.zeros, n, g)
                    : scaled_zero(dtype, scale, source.zeros.data<uint8_t>()[n * groups + g]);
    }
  }
  return packed;
}

}  // namespace

bool can_pack(AwqLayout layout, int64_t out, int64_t in, int64_t group) noexcept {
  if (out <= 0 || in <= 0 || group <= 0 || in % group != 0) return false;
  if (layout == AwqLayout::gemm) return out % kNibbles == 0;
  if (layout == AwqLayout::gemv) return in % kNibbles == 0;
  return layout == AwqLayout::v2 && out % 4 == 0 && in % 64 == 0;
}

AwqTensors pack_awq(AwqLayout layout, const AwqSource& source) {
  const int64_t out = source.codes.dim(0);
  const int64_t in = source.codes.dim(1);
  VILA_CHECK(can_pack(layout, out, in, source.group), "{} as {} by {}", source.codes.text(),
             awq_layout_name(layout), source.group);
  const int64_t groups = in / source.group;
  VILA_CHECK(source.scales.shape() == Shape({out, groups}) &&
                 source.zeros.shape() == source.scales.shape() &&
                 (source.scales.dtype() == DType::f16 ||
                  (source.scales.dtype() == DType::bf16 && layout == AwqLayout::v2)),
             "scales {}, zeros {}", source.scales.text(), source.zeros.text());
  if (layout == AwqLayout::gemm) return pack_gemm(source, out, in, groups);
  return layout == AwqLayout::gemv ? pack_gemv(source, out, in, groups)
                                   : pack_v2(source, out, in, groups);
}

}  // namespace vila::formats
