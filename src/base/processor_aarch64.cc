// SPDX-License-Identifier: Apache-2.0
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "base/processor.h"

namespace vila {

void ask_processor(CpuInfo& info) {
  const unsigned long capabilities = ::getauxval(AT_HWCAP);
  const auto note = [&info, capabilities](unsigned long bit, const char* name) {
    if ((capabilities & bit) != 0) info.features.emplace_back(name);
  };
  // As /proc/cpuinfo spells them.
  note(HWCAP_ASIMD, "asimd");
  note(HWCAP_ASIMDHP, "asimdhp");
  note(HWCAP_ASIMDDP, "asimddp");
  note(HWCAP_SVE, "sve");
  info.has_neon_dotprod = (capabilities & HWCAP_ASIMDDP) != 0;
}

void pause_cpu() noexcept {
  // YIELD is a no-op on most cores; a barrier that refetches instructions takes some 10 ns.
  asm volatile("isb");
}

}  // namespace vila
