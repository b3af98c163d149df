// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/cpu_info.h"

/// What each processor family does in its own way. One of processor_*.cc is built, after
/// VILA_ARCHITECTURE (cmake/Architecture.cmake).
namespace vila {

/// Fills `features` and the has_ fields with what this CPU has and the OS keeps registers for.
void ask_processor(CpuInfo& info);

/// Waits some tens of nanoseconds inside a loop that spins, and leaves the core to its other
/// hardware thread meanwhile where it has one.
void pause_cpu() noexcept;

}  // namespace vila
