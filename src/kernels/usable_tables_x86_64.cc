// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_info.h"
#include "kernels/usable_tables.h"

namespace vila::kernels {

namespace tables {
extern const CpuKernels scalar;
extern const CpuKernels avx2;
extern const CpuKernels avx_vnni;
extern const CpuKernels avx512;
extern const CpuKernels avx512_vnni;
extern const CpuKernels avx512_bf16;
}  // namespace tables

std::vector<const CpuKernels*> usable_tables() {
  std::vector<const CpuKernels*> usable = {&tables::scalar};
  const CpuInfo cpu = detect_cpu();
  if (cpu.has_avx2) usable.push_back(&tables::avx2);
  if (cpu.has_avx_vnni) usable.push_back(&tables::avx_vnni);
  if (cpu.has_avx512) usable.push_back(&tables::avx512);
  if (cpu.has_avx512_vnni) usable.push_back(&tables::avx512_vnni);
  if (cpu.has_avx512_bf16) usable.push_back(&tables::avx512_bf16);
  return usable;
}

}  // namespace vila::kernels
