// SPDX-License-Identifier: Apache-2.0
// Uncompressed Windows bitmaps (BITMAPFILEHEADER with BITMAPCOREHEADER or BITMAPINFOHEADER).
#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.h"
#include "media/byte_reader.h"

namespace vila::media {
namespace {

constexpr int64_t kCoreHeaderBytes = 12;
constexpr int64_t kInfoHeaderBytes = 40;

struct Header {
  int64_t width = 0;
  int64_t height = 0;
  bool is_top_down = false;
  int64_t bits = 0;
  int64_t compression = 0;
  int64_t palette_entries = 0;
  int64_t palette_entry_bytes = 4;
  size_t palette_start = 0;
  size_t pixel_start = 0;
};

Header read_header(ByteReader& input) {
  Header header;
  input.seek(10);
  header.pixel_start = static_cast<size_t>(input.u32());
  const int64_t header_bytes = input.u32();
  header.palette_start = static_cast<size_t>(14 + header_bytes);
  if (header_bytes == kCoreHeaderBytes) {
    header.width = input.u16();
    header.height = input.u16();
    input.u16();  // planes
    header.bits = input.u16();
    header.palette_entry_bytes = 3;
  } else if (header_bytes >= kInfoHeaderBytes) {
    header.width = input.i32();
    const int64_t height = input.i32();
    header.is_top_down = height < 0;
    header.height = std::abs(height);
    input.u16();
    header.bits = input.u16();
    header.compression = input.u32();
    input.take(12);
    header.palette_entries = input.u32();
  } else {
    input.fail("the size of its header");
  }
  if (header.palette_entries == 0 && header.bits <= 8) header.palette_entries = 1 << header.bits;
  return header;
}

/// Only what is stored plainly; the masks of compression 3 are those of plain 32-bit pixels.
void check_kind(ByteReader& input, const Header& header, const EncodedImage& encoded) {
  constexpr std::array<int64_t, 5> kDepths = {1, 4, 8, 24, 32};
  bool is_plain = header.compression == 0 && std::ranges::count(kDepths, header.bits) == 1;
  if (header.compression == 3 && header.bits == 32) {
    input.seek(14 + kInfoHeaderBytes);
    is_plain = input.u32() == 0xFF0000 && input.u32() == 0xFF00 && input.u32() == 0xFF;
  }
  if (is_plain) return;
  fail(ErrorCode::invalid_image,
       "{}: expected an uncompressed BMP of 1, 4, 8, 24 or 32 bits per pixel, found {} bits, "
       "compression {}; save it as PNG",
       encoded.source, header.bits, header.compression);
}

using Palette = std::array<uint8_t, 256 * 3>;

Palette read_palette(ByteReader& input, const Header& header) {
  Palette palette{};
  if (header.bits > 8) return palette;
  input.seek(header.palette_start);
  for (int64_t i = 0; i < std::min<int64_t>(header.palette_entries, 256); ++i) {
    const auto entry = input.take(static_cast<size_t>(header.palette_entry_bytes));
    std::reverse_copy(entry.begin(), entry.begin() + 3, &palette[static_cast<size_t>(i) * 3]);
  }
  return palette;
}

void to_rgb(std::span<const unsigned char> row, int64_t bits, const Palette& palette,
            std::span<uint8_t> rgb) {
  const auto count = rgb.size() / 3;
  const auto depth = static_cast<size_t>(bits);
  for (size_t x = 0; x < count; ++x) {
    if (depth >= 24) {
      const auto* pixel = &row[x * depth / 8];
      std::reverse_copy(pixel, pixel + 3, &rgb[x * 3]);
    } else {
      const size_t bit = x * depth;
      const size_t index = (row[bit / 8] >> (8 - depth - bit % 8)) & ((1U << depth) - 1);
      std::copy_n(&palette[index * 3], 3, &rgb[x * 3]);
    }
  }
}

}  // namespace

Image decode_bmp(const EncodedImage& encoded) {
  ByteReader input(encoded, "BMP");
  const Header header = read_header(input);
  encoded.check_size(header.width, header.height);
  check_kind(input, header, encoded);
  const Palette palette = read_palette(input, header);

  const auto row_bytes = static_cast<size_t>((header.width * header.bits + 31) / 32 * 4);
  input.seek(header.pixel_start);
  const auto data = input.take(row_bytes * static_cast<size_t>(header.height));
  Image image(header.width, header.height);
  for (int64_t y = 0; y < header.height; ++y) {
    const int64_t target = header.is_top_down ? y : header.height - 1 - y;
    to_rgb(data.subspan(static_cast<size_t>(y) * row_bytes, row_bytes), header.bits, palette,
           {image.at(0, target), static_cast<size_t>(header.width * 3)});
  }
  return image;
}

}  // namespace vila::media
