// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "media/codecs.h"

namespace vila::media {

/// Reads little-endian numbers of a file, one after the other; going beyond the end is an
/// Error{invalid_image}. A view of `encoded`.
class ByteReader {
 public:
  ByteReader(const EncodedImage& encoded, const char* format)
      : encoded_(encoded), format_(format) {}

  size_t position() const { return position_; }

  /// @throws Error{invalid_image} beyond the end.
  void seek(size_t position) {
    if (position > encoded_.bytes.size()) fail("the file ends too early");
    position_ = position;
  }

  /// The next `count` bytes.
  std::span<const unsigned char> take(size_t count) {
    if (count > encoded_.bytes.size() - position_) fail("the file ends too early");
    position_ += count;
    return {encoded_.data() + position_ - count, count};
  }

  int64_t u8() { return take(1)[0]; }

  int64_t u16() {
    const int64_t low = u8();
    return low | u8() << 8;
  }

  int64_t u32() {
    const int64_t low = u16();
    return low | u16() << 16;
  }

  int64_t i32() { return static_cast<int32_t>(u32()); }

  [[noreturn]] void fail(const char* reason) const { encoded_.fail_damaged(format_, reason); }

 private:
  const EncodedImage& encoded_;
  const char* format_;
  size_t position_ = 0;
};

}  // namespace vila::media
