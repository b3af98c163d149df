// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vila::text {

/// A message of protobuf (protobuf.dev, "Encoding") as its fields come: the few that a
/// tokenizer.model is asked for beside the SentencePiece library, whose interface does not give
/// them.
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string_view message) : rest_(message) {}

  /// Moves on to the next field. False at the end, and where the bytes are no message.
  bool next() {
    const auto key = varint();
    if (!key) return false;
    number = *key >> 3;
    value = 0;
    bytes = {};
    switch (*key & 7) {
      case 0:
        return take_number(varint());
      case 1:
        return take_bytes(8);
      case 2:
        return take_bytes(varint());
      case 5:
        return take_bytes(4);
      default:
        return false;
    }
  }

  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of anything else; those of fixed-size numbers as they lie

 private:
  std::optional<uint64_t> varint() {
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      result |= uint64_t{byte & 127U} << shift;
      if (byte < 128) return result;
    }
    return std::nullopt;
  }

  bool take_number(std::optional<uint64_t> read) {
    value = read.value_or(0);
    return read.has_value();
  }

  bool take_bytes(std::optional<uint64_t> size) {
    if (!size || *size > rest_.size()) return false;
    bytes = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
    return true;
  }

  std::string_view rest_;
};

}  // namespace vila::text
