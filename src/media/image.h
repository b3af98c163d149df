// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vila::media {

/// 8-bit RGB picture, [height, width, 3] row-major. A value.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> pixels;

  Image() = default;
  Image(int64_t w, int64_t h, std::array<uint8_t, 3> colour = {0, 0, 0});

  const uint8_t* at(int64_t x, int64_t y) const {
    return &pixels[static_cast<size_t>((y * width + x) * 3)];
  }

  uint8_t* at(int64_t x, int64_t y) { return &pixels[static_cast<size_t>((y * width + x) * 3)]; }
};

}  // namespace vila::media
