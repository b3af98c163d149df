// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "base/processor.h"

namespace vila {

void ask_processor(CpuInfo&) {}

void pause_cpu() noexcept {
  std::this_thread::yield();
}

}  // namespace vila
