// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "formats/awq.h"

namespace vila::formats {

/// A 4-bit Linear before it is packed for a file.
struct AwqSource {
  Tensor codes;   // u8 [out, in], 0 to 15
  Tensor scales;  // f16 or bf16 [out, in / group]
  Tensor zeros;   // u8 [out, in / group], 0 to 15; for v2 also the scaled zeros themselves, f16
  int64_t group = 128;
};

/// Whether a layout can hold a matrix: groups divide the inputs, and gemm packs 8 outputs, gemv 8
/// inputs, v2 4 outputs by 64 inputs into its words. Only gemm, gemv and v2 are written.
bool can_pack(AwqLayout layout, int64_t out, int64_t in, int64_t group) noexcept;

/// The tensors as the reference packers write them, bit for bit; unpack_awq() is the inverse.
///   gemm: qweight i32 [in, out/8], qzeros i32 [groups, out/8], scales f16 [groups, out]
///   gemv: qweight i32 [out, in/8], qzeros i32 [out, W], scales f16 [out, 8 W]
///   v2:   qweight i16 [out/4, in], scales and scaled zeros f16 or bf16 [8 W, out]
/// where W = ceil(groups / 8), rounded up to a multiple of 2 for groups of 64 and of 4 below; rows
/// and columns past the groups are 0. A scaled zero is -(scale * zero), rounded once.
/// @pre can_pack(); scales are f16 for gemm and gemv
/// Source: WQLinear of llm-awq (awq/quantize/qmodule.py), WQLinear_GEMM and _GEMV of AutoAWQ. See
/// docs/formats.md.
AwqTensors pack_awq(AwqLayout layout, const AwqSource& source);

}  // namespace vila::formats
