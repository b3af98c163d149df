// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace vila::test {

/// An uncompressed video whose every frame is of one colour, so that a test knows each pixel.
struct PlainVideo {
  uint32_t width = 16;  // a multiple of 4: rows need no padding
  uint32_t height = 8;
  uint32_t fps = 5;
  std::span<const std::array<uint8_t, 3>> colours;  // RGB of each frame
};

/// The bytes of an AVI file (24-bit DIB frames, no index).
std::string build_avi(const PlainVideo& video);

}  // namespace vila::test
