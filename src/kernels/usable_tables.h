// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace vila::kernels {

/// The tables that this CPU can run, the plain one first, the fastest last. One of
/// usable_tables_*.cc is built, after VILA_ARCHITECTURE; each table that it names comes from
/// isa/table.cc, compiled for that instruction set.
std::vector<const CpuKernels*> usable_tables();

}  // namespace vila::kernels
