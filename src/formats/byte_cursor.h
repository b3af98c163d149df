// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace vila::formats {

/// Reads little-endian numbers and texts of a file, one after the other; going beyond the end is an
/// Error{invalid_model}. A view of `bytes`.
class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> bytes, const std::string& source)
      : bytes_(bytes), source_(source) {}

  uint64_t position() const noexcept { return position_; }

  uint64_t left() const noexcept { return bytes_.size() - position_; }

  void seek(uint64_t position) {
    if (position > bytes_.size()) fail_short(position, 0);
    position_ = static_cast<size_t>(position);
  }

  /// The next `count` bytes.
  std::span<const std::byte> take(uint64_t count) {
    if (count > left()) fail_short(position_, count);
    position_ += static_cast<size_t>(count);
    return bytes_.subspan(position_ - static_cast<size_t>(count), static_cast<size_t>(count));
  }

  std::string_view text(uint64_t count) {
    const std::span<const std::byte> taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  template <typename T>
  T number() {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

 private:
  [[noreturn]] void fail_short(uint64_t at, uint64_t count) const {
    fail(ErrorCode::invalid_model,
         "{}: expected {} more bytes at {}, found the end at {}; the file is damaged or cut",
         source_, count, at, bytes_.size());
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
  size_t position_ = 0;
};

}  // namespace vila::formats
