// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vila {

/// Python's str.split(separator): n separators give n + 1 parts, empty ones among them; views into
/// `text`. @pre !separator.empty()
std::vector<std::string_view> split(std::string_view text, std::string_view separator);

/// Python's str.replace(from, to). @pre !from.empty()
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace vila
