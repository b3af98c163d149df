// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/gemm_packed.inl.h"
#include "kernels/kernels.h"

/// Products of float rows and packed weights: gemm() with panels of W dequantised from their codes.
/// Rows of W are lanes in the packed layout, so that nothing needs a transposition.
namespace vila::kernels {
namespace {

/// kLanes rows of W: where their codes of one group begin, and what turns them into floats.
struct GroupScales {
  F32 scale;
  F32 shift;
  bool has_offsets;

  F32 value(F32 code) const {
    if (has_offsets) return isa::fma(scale, code, shift);
    return isa::mul(scale, isa::sub(code, shift));
  }
};

/// panel[i * kTileColumns + lane], i in [0, 4): the four codes of each word from bit kShift on.
template <int kShift>
inline void widen_codes(Codes codes, int mask, const GroupScales& scales, float* panel) {
  isa::store(panel, scales.value(isa::field<kShift>(codes, mask)));
  isa::store(panel + kTileColumns, scales.value(isa::field<kShift + 8>(codes, mask)));
  isa::store(panel + 2 * kTileColumns, scales.value(isa::field<kShift + 16>(codes, mask)));
  isa::store(panel + 3 * kTileColumns, scales.value(isa::field<kShift + 24>(codes, mask)));
}

/// kLanes rows from row `row` on, elements [k, k + depth) of each; k a multiple of 8.
inline void dequantise_lanes(const PackedWeights& w, int64_t row, const DepthBlock& block,
                             float* panel) {
  const int64_t code_bytes = w.group * w.bits * kPackedRows / 8;
  const int64_t group_bytes = code_bytes + kLineBytes;
  const int64_t depth_of_line = w.bits == 4 ? 8 : 4;
  const int64_t lane = row % kPackedRows;
  const uint8_t* tile = w.data + row / kPackedRows * (w.depth / w.group) * group_bytes;
  GroupScales scales{};
  for (int64_t k = block.k; k < block.k + block.depth; k += depth_of_line) {
    const uint8_t* group = tile + k / w.group * group_bytes;
    if (k == block.k || k % w.group == 0) {
      const auto* line = reinterpret_cast<const f16*>(group + code_bytes) + lane;
      scales = {isa::widen(line), isa::widen(line + kPackedRows), w.has_offsets};
    }
    const uint8_t* codes = group + k % w.group / depth_of_line * kLineBytes + 4 * lane;
    __builtin_prefetch(codes + kCodesAhead);
    if (w.bits == 4) {
      widen_codes<0>(isa::load_codes(codes), 15, scales, panel);
      widen_codes<4>(isa::load_codes(codes), 15, scales, panel + 4 * kTileColumns);
    } else {
      widen_codes<0>(isa::load_codes(codes), 255, scales, panel);
    }
    panel += depth_of_line * kTileColumns;
  }
}

void gemm_dequantised(const GemmArgs& args, const PackedWeights& weight) noexcept {
  multiply(args, [&weight](const DepthBlock& block, float* panel) {
    for (int64_t n = 0; n < block.columns; n += kLanes)
      dequantise_lanes(weight, block.column + n, block, panel + n);
  });
}

}  // namespace
}  // namespace vila::kernels
