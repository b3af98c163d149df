// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "kernels/kernels.h"

namespace vila::kernels {

/// The tables that this CPU can run, slowest first. Never empty: "scalar" is always there.
std::span<const CpuKernels* const> all_kernels();

/// The fastest of them.
const CpuKernels& best_kernels();

/// The table of that name. @throws Error{invalid_argument} listing the names usable on this CPU.
const CpuKernels& kernels_named(std::string_view name);

}  // namespace vila::kernels
