// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vila::eval {

// Strings as CPython 3 treats them, over UTF-8: the official scorers are Python, and a score is
// only theirs when white space, case and rounding are too.

/// str.strip() of white space (29 code points, U+00A0 and U+3000 among them).
std::string_view python_strip(std::string_view text);

/// str.split(): maximal runs without white space.
std::vector<std::string_view> python_split(std::string_view text);

/// str.lower() of all of Unicode, final sigma and U+0130 included.
std::string python_lower(std::string_view text);

/// Whether a digit in the sense of `\d` of Python's `re` starts at `offset`: any of Unicode's.
bool starts_with_digit(std::string_view text, size_t offset);

/// Whether such a digit ends right before `offset`.
bool ends_with_digit(std::string_view text, size_t offset);

/// Code points, as len() counts.
size_t python_length(std::string_view text);

/// round(value, decimals) of a Python 3 float: the nearest decimal, exact ties to even.
double python_round(double value, int decimals);

/// numpy.round(value, decimals): scales, rounds to even, scales back; may differ in the last digit.
double numpy_round(double value, int decimals);

/// "%.{decimals}f".
std::string fixed(double value, int decimals);

}  // namespace vila::eval
