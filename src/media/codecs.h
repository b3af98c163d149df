// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "media/decode.h"

namespace vila::media {

/// What a decoder of one format is given. A view: it lives during one decode_image() call.
struct EncodedImage {
  std::span<const std::byte> bytes;
  const std::string& source;
  const DecodeLimits& limits;

  const unsigned char* data() const { return reinterpret_cast<const unsigned char*>(bytes.data()); }

  /// Called with the size that the header tells, before anything of that size is allocated.
  /// @throws Error{invalid_image} beyond the limits.
  void check_size(int64_t width, int64_t height) const;

  /// @throws Error{invalid_image} "source: damaged FORMAT picture: reason".
  [[noreturn]] void fail_damaged(const char* format, const std::string& reason) const;
};

/// One decoder per format; each @throws Error{invalid_image} through the two members above.
Image decode_bmp(const EncodedImage& encoded);
Image decode_gif(const EncodedImage& encoded);
Image decode_jpeg(const EncodedImage& encoded);
Image decode_png(const EncodedImage& encoded);
Image decode_webp(const EncodedImage& encoded);
Image decode_ppm(const EncodedImage& encoded);

}  // namespace vila::media
