// SPDX-License-Identifier: Apache-2.0
#include "media/decode.h"

#include <array>

#include "base/error.h"
#include "base/file.h"
#include "media/codecs.h"

namespace vila::media {
namespace {

using namespace std::string_view_literals;

struct Format {
  bool (*matches)(std::string_view bytes);
  Image (*decode)(const EncodedImage& encoded);
};

bool is_jpeg(std::string_view bytes) {
  return bytes.starts_with("\xFF\xD8\xFF"sv);
}

bool is_png(std::string_view bytes) {
  return bytes.starts_with("\x89PNG\r\n\x1A\n"sv);
}

bool is_webp(std::string_view bytes) {
  return bytes.size() >= 12 && bytes.starts_with("RIFF"sv) && bytes.substr(8, 4) == "WEBP"sv;
}

bool is_ppm(std::string_view bytes) {
  return bytes.size() >= 3 && (bytes.starts_with("P5"sv) || bytes.starts_with("P6"sv)) &&
         " \t\r\n#"sv.find(bytes[2]) != bytes.npos;
}

bool is_gif(std::string_view bytes) {
  return bytes.starts_with("GIF87a"sv) || bytes.starts_with("GIF89a"sv);
}

bool is_bmp(std::string_view bytes) {
  return bytes.starts_with("BM"sv);
}

constexpr std::array<Format, 6> kFormats = {{{is_jpeg, decode_jpeg},
                                             {is_png, decode_png},
                                             {is_webp, decode_webp},
                                             {is_gif, decode_gif},
                                             {is_bmp, decode_bmp},
                                             {is_ppm, decode_ppm}}};

}  // namespace

void EncodedImage::check_size(int64_t width, int64_t height) const {
  if (width < 1 || height < 1) {
    fail(ErrorCode::invalid_image, "{}: expected a picture, found {} x {} pixels", source, width,
         height);
  }
  const bool is_too_long = width > limits.max_side || height > limits.max_side;
  if (is_too_long || width * height > limits.max_pixels) {
    fail(ErrorCode::invalid_image,
         "{}: expected a picture of at most {} pixels and {} on a side, found {} x {}; make it "
         "smaller",
         source, limits.max_pixels, limits.max_side, width, height);
  }
}

void EncodedImage::fail_damaged(const char* format, const std::string& reason) const {
  fail(ErrorCode::invalid_image, "{}: damaged or truncated {} picture: {}", source, format, reason);
}

Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const DecodeLimits& limits) {
  const EncodedImage encoded{bytes, source, limits};
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : kFormats) {
    if (format.matches(text)) return format.decode(encoded);
  }
  fail(ErrorCode::invalid_image,
       "{}: expected a JPEG, PNG, WebP, GIF, BMP or PPM picture, found {}", source,
       bytes.empty() ? "0 bytes" : "another format");
}

Image load_image(const std::filesystem::path& path, const DecodeLimits& limits) {
  const MappedFile file(path);
  return decode_image(file.bytes(), path.string(), limits);
}

}  // namespace vila::media
