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

/// Python's str.strip() of UTF-8: no white space, that of Unicode included, at either end. A view.
std::string_view strip(std::string_view text);

}  // namespace vila
