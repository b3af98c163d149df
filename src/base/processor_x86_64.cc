// SPDX-License-Identifier: Apache-2.0
#include <cpuid.h>

#include "base/processor.h"

namespace vila {
namespace {

/// CPUID leaf 7.1, EAX bit 4; clang 14 has no name for it in __builtin_cpu_supports.
bool has_avx_vnni() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1U) != 0;
}

/// Conversions of halves: CPUID leaf 1, ECX bit 29. Each CPU with AVX2 has them, but a hypervisor
/// may hide one and not the other.
bool has_f16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 29 & 1U) != 0;
}

}  // namespace

void ask_processor(CpuInfo& info) {
  __builtin_cpu_init();
#define VILA_FEATURE(name) \
  if (__builtin_cpu_supports(name)) info.features.emplace_back(name)
  VILA_FEATURE("sse4.2");
  VILA_FEATURE("avx2");
  VILA_FEATURE("fma");
  VILA_FEATURE("avx512f");
  VILA_FEATURE("avx512bw");
  VILA_FEATURE("avx512dq");
  VILA_FEATURE("avx512vl");
  VILA_FEATURE("avx512vnni");
  VILA_FEATURE("avx512bf16");
#undef VILA_FEATURE
  info.has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  info.has_avx_vnni = info.has_avx2 && has_avx_vnni();
  if (info.has_avx_vnni) info.features.emplace_back("avxvnni");
  info.has_avx512 = info.has_avx2 && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
  info.has_avx512_vnni = info.has_avx512 && __builtin_cpu_supports("avx512vnni");
  info.has_avx512_bf16 = info.has_avx512_vnni && __builtin_cpu_supports("avx512bf16");
}

void pause_cpu() noexcept {
  __builtin_ia32_pause();
}

}  // namespace vila
