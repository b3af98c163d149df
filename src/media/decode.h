// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "media/image.h"

namespace vila::media {

/// What decode refuses, so that a small file cannot ask for much memory.
struct DecodeLimits {
  int64_t max_side = 32768;
  int64_t max_pixels = int64_t{1} << 27;  // 134 megapixels, 400 MB of RGB
};

/// Decodes JPEG, PNG, WebP, GIF (first frame), BMP or PPM, told apart by content, as Pillow's
/// open().convert("RGB"): alpha is dropped, EXIF orientation is not applied, CMYK and 16-bit are
/// converted as Pillow does.
/// @param source  named in messages, e.g. the path.
/// @throws Error{invalid_image}: empty, unknown format (names the ones that are known), truncated,
///         damaged, too large.
Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const DecodeLimits& limits = {});

/// The same for a file. @throws also Error{not_found}.
Image load_image(const std::filesystem::path& path, const DecodeLimits& limits = {});

/// PNG bytes of an image (for `vila explain --out` and the data sets).
std::string encode_png(const Image& image);

}  // namespace vila::media
