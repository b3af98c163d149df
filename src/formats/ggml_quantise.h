// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "formats/ggml_blocks.h"

namespace vila::formats {

/// Whether quantise_blocks() makes this type: Q8_0, Q4_0, Q4_1.
bool can_quantise(GgmlType type) noexcept;

/// Rounds floats to whole blocks of a type, to the same bytes as ggml's quantize_row_*_ref
/// (ggml-quants.c): Q8_0 with the largest magnitude at 127, Q4_0 with the value of largest
/// magnitude at -8, Q4_1 from the least value to the largest in 15 steps; scales are f16.
/// @pre can_quantise(type); numbers.size() is a multiple of 32 and `blocks` has their bytes
void quantise_blocks(GgmlType type, std::span<const float> numbers, std::span<std::byte> blocks);

}  // namespace vila::formats
