// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set by vila_isa(), which defines VILA_ISA, VILA_SIMD_HEADER and
// VILA_DOT_HEADER.
// All that it includes lives in anonymous namespaces and uses no library template: a weak symbol
// from here could be linked into code that runs on CPUs without these instructions.
#include VILA_SIMD_HEADER
#include VILA_DOT_HEADER

#include "kernels/cpu/attention.inl.h"
#include "kernels/cpu/dequantise.inl.h"
#include "kernels/cpu/gemm.inl.h"
#include "kernels/cpu/gemm_packed.inl.h"
#include "kernels/cpu/kv.inl.h"
#include "kernels/cpu/math.inl.h"
#include "kernels/cpu/norm.inl.h"
#include "kernels/cpu/peak.inl.h"
#include "kernels/cpu/quantise.inl.h"

#define VILA_TEXT_OF(name) #name
#define VILA_NAME_OF(name) VILA_TEXT_OF(name)

namespace vila::kernels::tables {

extern const CpuKernels VILA_ISA;
const CpuKernels VILA_ISA = {
    .isa = VILA_NAME_OF(VILA_ISA),
    .tile_rows = isa::kTileRows,
    .tile_columns = kTileColumns,
    .query_block = kQueryBlock,
    .dot_rows = isa::kDotRows,
    .fma_loop_flops = kFmaLoopFlops,
    .dot_loop_ops = kDotLoopOps,
    .pack_rows = kernels::pack_rows,
    .gemm = kernels::gemm,
    .attend = kernels::attend,
    .quantise_rows = kernels::quantise_rows,
    .gemm_packed = kernels::gemm_packed,
    .gemm_dequantised = kernels::gemm_dequantised,
    .rms_norm = kernels::rms_norm,
    .layer_norm = kernels::layer_norm,
    .rotate = kernels::rotate,
    .softmax = kernels::softmax,
    .add = kernels::add,
    .silu_mul = kernels::silu_mul,
    .gelu = kernels::apply<Gelu>,
    .gelu_tanh = kernels::apply<GeluTanh>,
    .quick_gelu = kernels::apply<QuickGelu>,
    .exp = kernels::apply<Exp>,
    .axpy = kernels::axpy,
    .dot = kernels::dot,
    .narrow = kernels::narrow,
    .widen = kernels::widen,
    .fma_loop = kernels::fma_loop,
    .dot_loop = kernels::dot_loop,
    .read_loop = kernels::read_loop,
};

}  // namespace vila::kernels::tables
