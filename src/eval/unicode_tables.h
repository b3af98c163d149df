// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace vila::eval {

/// Code points first, first + step, … last, whose lower case is `delta` further.
struct LowerRange {
  char32_t first;
  char32_t last;
  char32_t step;
  int32_t delta;
};

/// The one-to-one lower-casings past ASCII, ascending.
std::span<const LowerRange> lower_ranges();

/// The zero of each run of ten decimal digits (Unicode category Nd), ascending.
std::span<const char32_t> digit_zeros();

}  // namespace vila::eval
