// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vila {

/// Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
bool is_valid_utf8(std::string_view bytes) noexcept;

/// Length of the longest prefix that ends at a character border: what can be shown now. Only an
/// unfinished sequence at the very end (at most 3 bytes) is held back; malformed bytes are not.
size_t complete_utf8_prefix(std::string_view bytes) noexcept;

/// Replaces each malformed sequence by U+FFFD, one per maximal invalid part, as Python's
/// bytes.decode("utf-8", errors="replace") does.
std::string replace_invalid_utf8(std::string_view bytes);

/// Code points of well-formed text; malformed bytes come out as U+FFFD.
std::vector<char32_t> decode_utf8(std::string_view text);

/// Appends one code point. @pre code_point <= 0x10FFFF
void append_utf8(std::string& text, char32_t code_point);

}  // namespace vila
