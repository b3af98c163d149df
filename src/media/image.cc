// SPDX-License-Identifier: Apache-2.0
#include "media/image.h"

#include <algorithm>

#include "base/error.h"

namespace vila::media {

Image::Image(int64_t w, int64_t h, std::array<uint8_t, 3> colour) : width(w), height(h) {
  VILA_CHECK(w >= 0 && h >= 0, "image of {} x {}", w, h);
  pixels.resize(static_cast<size_t>(w * h * 3));
  if (colour == std::array<uint8_t, 3>{}) return;
  for (size_t i = 0; i < pixels.size(); i += 3)
    std::ranges::copy(colour, &pixels[i]);
}

}  // namespace vila::media
