// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include <string>
#include <vector>

#include "base/cpu_info.h"
#include "base/error.h"

namespace vila::kernels {

// Each is defined by isa/table.cc, compiled for that instruction set.
namespace tables {
extern const CpuKernels scalar;
extern const CpuKernels avx2;
extern const CpuKernels avx_vnni;
extern const CpuKernels avx512;
extern const CpuKernels avx512_vnni;
}  // namespace tables

namespace {

std::vector<const CpuKernels*> usable_tables() {
  std::vector<const CpuKernels*> usable = {&tables::scalar};
#if defined(__x86_64__)
  const CpuInfo cpu = detect_cpu();
  if (cpu.has_avx2) usable.push_back(&tables::avx2);
  if (cpu.has_avx_vnni) usable.push_back(&tables::avx_vnni);
  if (cpu.has_avx512) usable.push_back(&tables::avx512);
  if (cpu.has_avx512_vnni) usable.push_back(&tables::avx512_vnni);
#endif
  return usable;
}

}  // namespace

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
