// SPDX-License-Identifier: Apache-2.0
#include "text/byte_letters.h"

#include "base/utf8.h"

namespace vila::text {
namespace {

bool is_visible(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

}  // namespace

ByteLetters::ByteLetters() {
  bytes_.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const int code_point = is_visible(byte) ? byte : next++;
    append_utf8(letters_[static_cast<size_t>(byte)], static_cast<char32_t>(code_point));
    bytes_[static_cast<size_t>(code_point)] = static_cast<int16_t>(byte);
  }
}

std::optional<std::string> ByteLetters::bytes(std::string_view piece) const {
  std::string result;
  for (const char32_t code_point : decode_utf8(piece)) {
    const int16_t byte = code_point < kCodePoints ? bytes_[code_point] : int16_t{-1};
    if (byte < 0) return std::nullopt;
    result += static_cast<char>(byte);
  }
  return result;
}

}  // namespace vila::text
