// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <vector>

#include <png.h>

#include "media/codecs.h"

namespace vila::media {
namespace {

/// Everything that a longjmp may pass over lives here, outside the functions that call setjmp.
struct PngDecoder {
  const unsigned char* next = nullptr;
  size_t left = 0;
  png_struct* reader = nullptr;
  png_info* info = nullptr;
  std::jmp_buf on_error{};
  char message[128] = "";
  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int depth = 0;
  int colour_type = 0;
  size_t row_bytes = 0;
  std::array<uint8_t, 256 * 3> palette{};  // indices beyond the file's palette are black

  PngDecoder() = default;

  ~PngDecoder() { png_destroy_read_struct(&reader, &info, nullptr); }

  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
};

[[noreturn]] void leave(png_struct* reader, const char* message) {
  auto& decoder = *static_cast<PngDecoder*>(png_get_error_ptr(reader));
  std::strncpy(decoder.message, message, sizeof(decoder.message) - 1);
  std::longjmp(decoder.on_error, 1);
}

void say_nothing(png_struct*, const char*) {}

void read_input(png_struct* reader, unsigned char* target, size_t count) {
  auto& decoder = *static_cast<PngDecoder*>(png_get_io_ptr(reader));
  if (count > decoder.left) png_error(reader, "the file ends too early");
  std::memcpy(target, decoder.next, count);
  decoder.next += count;
  decoder.left -= count;
}

bool read_header(PngDecoder& decoder) {
  if (setjmp(decoder.on_error) != 0) return false;
  decoder.reader = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, leave, say_nothing);
  decoder.info = decoder.reader != nullptr ? png_create_info_struct(decoder.reader) : nullptr;
  if (decoder.info == nullptr) return false;
  png_set_read_fn(decoder.reader, &decoder, read_input);
  // check_size() has our own limits; libpng's would hide the sizes from the message.
  png_set_user_limits(decoder.reader, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(decoder.reader, decoder.info);
  png_get_IHDR(decoder.reader, decoder.info, &decoder.width, &decoder.height, &decoder.depth,
               &decoder.colour_type, nullptr, nullptr, nullptr);
  return true;
}

void copy_palette(PngDecoder& decoder) {
  png_color* colours = nullptr;
  int count = 0;
  if (png_get_PLTE(decoder.reader, decoder.info, &colours, &count) == 0) return;
  for (int i = 0; i < std::min(count, 256); ++i) {
    uint8_t* entry = &decoder.palette[static_cast<size_t>(i) * 3];
    entry[0] = colours[i].red;
    entry[1] = colours[i].green;
    entry[2] = colours[i].blue;
  }
}

/// Asks libpng for one byte per sample, except for 16-bit grey, which Pillow does not scale. No
/// gamma, no transparency: Pillow's convert("RGB") drops both.
bool start(PngDecoder& decoder) {
  if (setjmp(decoder.on_error) != 0) return false;
  const bool is_grey16 = decoder.depth == 16 && decoder.colour_type == PNG_COLOR_TYPE_GRAY;
  if (decoder.colour_type == PNG_COLOR_TYPE_PALETTE) {
    copy_palette(decoder);
    png_set_packing(decoder.reader);
  } else if (decoder.colour_type == PNG_COLOR_TYPE_GRAY && decoder.depth < 8) {
    png_set_expand_gray_1_2_4_to_8(decoder.reader);
  }
  if (decoder.depth == 16 && !is_grey16) png_set_strip_16(decoder.reader);
  png_set_interlace_handling(decoder.reader);
  png_read_update_info(decoder.reader, decoder.info);
  decoder.row_bytes = png_get_rowbytes(decoder.reader, decoder.info);
  return true;
}

bool read_row(PngDecoder& decoder, unsigned char* row) {
  if (setjmp(decoder.on_error) != 0) return false;
  png_read_row(decoder.reader, row, nullptr);
  return true;
}

/// `rows` holds one pointer per row. Interlaced pictures need all of them at once.
bool read_rows(PngDecoder& decoder, unsigned char** rows) {
  if (setjmp(decoder.on_error) != 0) return false;
  png_read_image(decoder.reader, rows);
  return true;
}

void to_rgb(const PngDecoder& decoder, const unsigned char* row, uint8_t* rgb) {
  const auto spread = [&](auto&& pixel_at) {
    for (size_t x = 0; x < decoder.width; ++x, rgb += 3)
      pixel_at(x, rgb);
  };
  switch (decoder.colour_type) {
    case PNG_COLOR_TYPE_RGB:
      std::memcpy(rgb, row, size_t{decoder.width} * 3);
      return;
    case PNG_COLOR_TYPE_RGB_ALPHA:
      spread([&](size_t x, uint8_t* out) { std::copy_n(row + x * 4, 3, out); });
      return;
    case PNG_COLOR_TYPE_PALETTE:
      spread([&](size_t x, uint8_t* out) {
        std::copy_n(&decoder.palette[size_t{row[x]} * 3], 3, out);
      });
      return;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      spread([&](size_t x, uint8_t* out) { std::fill_n(out, 3, row[x * 2]); });
      return;
    default:
      break;
  }
  if (decoder.depth == 16) {
    // Pillow's mode I to RGB clips: everything from 255 on is white.
    spread([&](size_t x, uint8_t* out) {
      std::fill_n(out, 3, row[x * 2] != 0 ? uint8_t{255} : row[x * 2 + 1]);
    });
  } else {
    spread([&](size_t x, uint8_t* out) { std::fill_n(out, 3, row[x]); });
  }
}

bool read_interlaced(PngDecoder& decoder, Image& image) {
  std::vector<unsigned char> content(decoder.row_bytes * decoder.height);
  std::vector<unsigned char*> rows;
  for (size_t y = 0; y < decoder.height; ++y)
    rows.push_back(&content[y * decoder.row_bytes]);
  if (!read_rows(decoder, rows.data())) return false;
  for (size_t y = 0; y < decoder.height; ++y) {
    to_rgb(decoder, rows[y], image.at(0, static_cast<int64_t>(y)));
  }
  return true;
}

bool read_sequential(PngDecoder& decoder, Image& image) {
  std::vector<unsigned char> row(decoder.row_bytes);
  for (int64_t y = 0; y < image.height; ++y) {
    if (!read_row(decoder, row.data())) return false;
    to_rgb(decoder, row.data(), image.at(0, y));
  }
  return true;
}

}  // namespace

Image decode_png(const EncodedImage& encoded) {
  PngDecoder decoder;
  decoder.next = encoded.data();
  decoder.left = encoded.bytes.size();
  const auto fail_if_not = [&](bool is_done) {
    if (!is_done) encoded.fail_damaged("PNG", decoder.message);
  };
  fail_if_not(read_header(decoder));
  encoded.check_size(decoder.width, decoder.height);
  fail_if_not(start(decoder));
  Image image(decoder.width, decoder.height);
  const bool is_interlaced =
      png_get_interlace_type(decoder.reader, decoder.info) != PNG_INTERLACE_NONE;
  fail_if_not(is_interlaced ? read_interlaced(decoder, image) : read_sequential(decoder, image));
  return image;
}

}  // namespace vila::media
