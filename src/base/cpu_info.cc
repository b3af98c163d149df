// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_info.h"

#include <fstream>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <sys/resource.h>

namespace vila {
namespace {

std::string model_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

#if defined(__x86_64__)
/// CPUID leaf 7.1, EAX bit 4; clang 14 has no name for it in __builtin_cpu_supports.
bool has_avx_vnni() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1U) != 0;
}

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
  info.has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  info.has_avx_vnni = info.has_avx2 && has_avx_vnni();
  if (info.has_avx_vnni) info.features.emplace_back("avxvnni");
  info.has_avx512 = info.has_avx2 && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
  info.has_avx512_vnni = info.has_avx512 && __builtin_cpu_supports("avx512vnni");
}
#else
void ask_processor(CpuInfo&) {}
#endif

}  // namespace

CpuInfo detect_cpu() {
  CpuInfo info;
  info.model = model_name();
  ask_processor(info);
  return info;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace vila
