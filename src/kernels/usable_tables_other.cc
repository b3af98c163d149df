// SPDX-License-Identifier: Apache-2.0
#include "kernels/usable_tables.h"

namespace vila::kernels {

namespace tables {
extern const CpuKernels scalar;
}  // namespace tables

std::vector<const CpuKernels*> usable_tables() {
  return {&tables::scalar};
}

}  // namespace vila::kernels
