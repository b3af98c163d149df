// SPDX-License-Identifier: Apache-2.0
#include "support/avi_builder.h"

namespace vila::test {
namespace {

std::string words(std::initializer_list<uint32_t> values) {
  std::string bytes;
  for (const uint32_t value : values) {
    for (int shift = 0; shift < 32; shift += 8)
      bytes += static_cast<char>(value >> shift & 0xFF);
  }
  return bytes;
}

std::string chunk(const std::string& name, const std::string& content) {
  return name + words({static_cast<uint32_t>(content.size())}) + content;
}

std::string list(const std::string& name, const std::string& type, const std::string& content) {
  return chunk(name, type + content);
}

std::string frame_of(const PlainVideo& video, const std::array<uint8_t, 3>& colour) {
  std::string pixels;
  for (uint32_t i = 0; i < video.width * video.height; ++i) {
    for (const size_t channel : {2U, 1U, 0U})  // a DIB stores blue first
      pixels += static_cast<char>(colour[channel]);
  }
  return pixels;
}

}  // namespace

std::string build_avi(const PlainVideo& video) {
  const auto frames = static_cast<uint32_t>(video.colours.size());
  const uint32_t bytes = video.width * video.height * 3;
  const std::string main_header = words({1000000 / video.fps, bytes * video.fps, 0, 0, frames, 0, 1,
                                         bytes, video.width, video.height, 0, 0, 0, 0});
  // strh: kind and codec, flags, language, initial frames, scale, rate, start, length, buffer size,
  // quality, sample size, rectangle.
  const std::string stream_header = "vidsDIB " + words({0, 0, 0, 1, video.fps, 0, frames, bytes, 0,
                                                        0, 0, video.width | video.height << 16});
  // BITMAPINFOHEADER: one plane of 24 bits, uncompressed.
  const std::string format =
      words({40, video.width, video.height, 1 | 24 << 16, 0, bytes, 0, 0, 0, 0});
  std::string movie;
  for (const auto& colour : video.colours)
    movie += chunk("00db", frame_of(video, colour));
  const std::string streams =
      list("LIST", "strl", chunk("strh", stream_header) + chunk("strf", format));
  return list(
      "RIFF", "AVI ",
      list("LIST", "hdrl", chunk("avih", main_header) + streams) + list("LIST", "movi", movie));
}

}  // namespace vila::test
