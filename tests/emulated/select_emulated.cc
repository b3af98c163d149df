// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/cpu_info.h"
#include "base/error.h"
#include "kernels/select.h"

// Linked in the place of kernels/select.cc: the tables that run here over SIMDe.
namespace vila::kernels {

namespace tables {
extern const CpuKernels avx_vnni;
extern const CpuKernels avx512;
extern const CpuKernels avx512_vnni;
extern const CpuKernels avx512_bf16;
}  // namespace tables

std::span<const CpuKernels* const> all_kernels() {
  static constexpr std::array<const CpuKernels*, 4> kTables = {
      &tables::avx_vnni, &tables::avx512, &tables::avx512_vnni, &tables::avx512_bf16};
  VILA_CHECK(detect_cpu().has_avx2, "the emulation itself is compiled for AVX2");
  return kTables;
}

const CpuKernels& best_kernels() {
  return *all_kernels().back();
}

const CpuKernels& kernels_named(std::string_view name) {
  for (const CpuKernels* table : all_kernels()) {
    if (table->isa == name) return *table;
  }
  fail(ErrorCode::invalid_argument, "instruction set: {} is not emulated", name);
}

}  // namespace vila::kernels
