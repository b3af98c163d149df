// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/usable_tables.h"

namespace vila::kernels {

std::span<const CpuKernels* const> all_kernels() {
  static const std::vector<const CpuKernels*> usable = usable_tables();
  return usable;
}

const CpuKernels& best_kernels() {
  return *all_kernels().back();
}

const CpuKernels& kernels_named(std::string_view name) {
  std::string names;
  for (const CpuKernels* table : all_kernels()) {
    if (table->isa == name) return *table;
    names += names.empty() ? "" : ", ";
    names += table->isa;
  }
  fail(ErrorCode::invalid_argument,
       "instruction set: expected one that this CPU has ({}), found \"{}\"", names, name);
}

}  // namespace vila::kernels
