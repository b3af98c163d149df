// SPDX-License-Identifier: Apache-2.0
#include "cli/version.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/cpu_info.h"
#include "kernels/select.h"

namespace vila::cli {

std::string version_text() {
  const CpuInfo cpu = detect_cpu();
  return fmt::format("vila {} (commit {})\ncompiler {}\ncpu {}: {}\nkernels {}", VILA_VERSION,
                     VILA_COMMIT, VILA_COMPILER, cpu.model, fmt::join(cpu.features, " "),
                     kernels::best_kernels().isa);
}

}  // namespace vila::cli
