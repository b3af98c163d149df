// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_info.h"
#include "kernels/usable_tables.h"

namespace vila::kernels {

namespace tables {
extern const CpuKernels scalar;
extern const CpuKernels neon;
extern const CpuKernels neon_dotprod;
}  // namespace tables

std::vector<const CpuKernels*> usable_tables() {
  std::vector<const CpuKernels*> usable = {&tables::scalar, &tables::neon};
  if (detect_cpu().has_neon_dotprod) usable.push_back(&tables::neon_dotprod);
  return usable;
}

}  // namespace vila::kernels
