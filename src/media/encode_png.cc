// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include "base/error.h"
#include "media/decode.h"

namespace vila::media {

std::string encode_png(const Image& image) {
  VILA_CHECK(image.width > 0 && image.height > 0, "{} x {} picture", image.width, image.height);
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::string bytes(size, '\0');
  const int is_written =
      png_image_write_to_memory(&header, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr);
  if (is_written == 0)
    fail(ErrorCode::failed, "could not encode a PNG picture: {}", header.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace vila::media
