// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vila::text {

/// GPT-2's spelling of bytes by visible letters (bytes_to_unicode): printable ones of Latin-1 stand
/// for themselves, the others are numbered from U+0100. Immutable.
class ByteLetters {
 public:
  ByteLetters();

  /// The letter of a byte, UTF-8.
  const std::string& letter(uint8_t byte) const { return letters_[byte]; }

  /// The bytes that a piece spells; nothing when a letter of it stands for no byte.
  std::optional<std::string> bytes(std::string_view piece) const;

 private:
  static constexpr int kCodePoints = 0x100 + 0x100;
  std::array<std::string, 256> letters_;
  std::array<int16_t, kCodePoints> bytes_{};  // by code point; -1: none
};

}  // namespace vila::text
