// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "kernels/kernels.h"

namespace vila::cli {

/// Whether the kernels of an instruction set compute on this CPU what plain loops in double do: the
/// products with floats and with packed weights of 4 and 8 bits, with activations in f32 and int8.
/// Takes milliseconds.
/// @return empty when all is right, else what is not: "4 bit, int8: error 3.1".
std::string self_test(const kernels::CpuKernels& kernels);

}  // namespace vila::cli
