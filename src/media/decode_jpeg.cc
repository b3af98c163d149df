// SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstdio>

// jpeglib.h needs <cstdio> before it, jerror.h needs jpeglib.h.
#include <jerror.h>
#include <jpeglib.h>

#include "media/codecs.h"

namespace vila::media {
namespace {

constexpr int kMaxScans = 500;  // more serve only to waste time

/// Everything that a longjmp may pass over lives here, outside the functions that call setjmp, so
/// that no destructor is ever skipped. libjpeg's callbacks find it by client_data.
struct JpegDecoder {
  jpeg_error_mgr errors{};
  jpeg_source_mgr input{};
  jpeg_progress_mgr progress{};
  jpeg_decompress_struct info{};
  std::jmp_buf on_error{};
  char message[JMSG_LENGTH_MAX] = "";

  JpegDecoder() = default;

  ~JpegDecoder() { jpeg_destroy_decompress(&info); }

  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
};

JpegDecoder& decoder_of(j_common_ptr info) {
  return *static_cast<JpegDecoder*>(info->client_data);
}

[[noreturn]] void leave(j_common_ptr info) {
  JpegDecoder& decoder = decoder_of(info);
  info->err->format_message(info, decoder.message);
  std::longjmp(decoder.on_error, 1);
}

void say_nothing(j_common_ptr) {}

/// All bytes were there from the start: asking for more means that the file was cut. Pillow refuses
/// that too, while libjpeg's own source would go on with grey.
boolean refuse_more(j_decompress_ptr info) {
  ERREXIT(info, JERR_INPUT_EOF);
  return FALSE;
}

void skip_input(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > info->src->bytes_in_buffer) ERREXIT(info, JERR_INPUT_EOF);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<size_t>(count);
}

void do_nothing(j_decompress_ptr) {}

void limit_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  JpegDecoder& decoder = decoder_of(info);
  std::snprintf(decoder.message, sizeof(decoder.message), "more than %d scans", kMaxScans);
  std::longjmp(decoder.on_error, 1);
}

void connect(JpegDecoder& decoder, const EncodedImage& encoded) {
  decoder.info.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = leave;
  decoder.errors.output_message = say_nothing;
  decoder.info.client_data = &decoder;
  decoder.input = {encoded.data(), encoded.bytes.size(),   do_nothing, refuse_more,
                   skip_input,     jpeg_resync_to_restart, do_nothing};
  decoder.progress.progress_monitor = limit_scans;
}

bool read_header(JpegDecoder& decoder) {
  if (setjmp(decoder.on_error) != 0) return false;
  jpeg_create_decompress(&decoder.info);
  decoder.info.src = &decoder.input;
  decoder.info.progress = &decoder.progress;
  jpeg_read_header(&decoder.info, TRUE);
  return true;
}

bool start(JpegDecoder& decoder) {
  if (setjmp(decoder.on_error) != 0) return false;
  const bool has_black = decoder.info.num_components == 4;
  decoder.info.out_color_space = has_black ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&decoder.info);
  return true;
}

bool read_row(JpegDecoder& decoder, unsigned char* row) {
  if (setjmp(decoder.on_error) != 0) return false;
  jpeg_read_scanlines(&decoder.info, &row, 1);
  return true;
}

bool read_rows(JpegDecoder& decoder, unsigned char* pixels, size_t row_bytes) {
  if (setjmp(decoder.on_error) != 0) return false;
  while (decoder.info.output_scanline < decoder.info.output_height) {
    unsigned char* row = pixels + decoder.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&decoder.info, &row, 1);
  }
  return true;
}

bool finish(JpegDecoder& decoder) {
  if (setjmp(decoder.on_error) != 0) return false;
  jpeg_finish_decompress(&decoder.info);
  return true;
}

/// Pillow's MULDIV255: a * b / 255 rounded.
int multiply_bytes(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Pillow takes every four-channel JPEG as inverted (Adobe's convention) and then goes from CMYK to
/// RGB by (255 - K) * (1 - C).
void cmyk_to_rgb(const unsigned char* cmyk, uint8_t* rgb, int64_t width) {
  for (int64_t x = 0; x < width; ++x, cmyk += 4) {
    const int light = cmyk[3];
    for (int c = 0; c < 3; ++c) {
      *rgb++ = static_cast<uint8_t>(light - multiply_bytes(255 - cmyk[c], light));
    }
  }
}

bool read_cmyk(JpegDecoder& decoder, Image& image) {
  std::vector<unsigned char> row(static_cast<size_t>(image.width * 4));
  for (int64_t y = 0; y < image.height; ++y) {
    if (!read_row(decoder, row.data())) return false;
    cmyk_to_rgb(row.data(), image.at(0, y), image.width);
  }
  return true;
}

}  // namespace

Image decode_jpeg(const EncodedImage& encoded) {
  JpegDecoder decoder;
  connect(decoder, encoded);
  const auto fail_if_not = [&](bool is_done) {
    if (!is_done) encoded.fail_damaged("JPEG", decoder.message);
  };
  fail_if_not(read_header(decoder));
  const auto width = static_cast<int64_t>(decoder.info.image_width);
  const auto height = static_cast<int64_t>(decoder.info.image_height);
  encoded.check_size(width, height);
  const int channels = decoder.info.num_components;
  if (channels == 2 || channels > 4) encoded.fail_damaged("JPEG", "its number of channels");

  fail_if_not(start(decoder));
  Image image = Image::unwritten(width, height);
  const bool is_read =
      channels == 4 ? read_cmyk(decoder, image)
                    : read_rows(decoder, image.pixels.data(), static_cast<size_t>(width * 3));
  fail_if_not(is_read);
  fail_if_not(finish(decoder));
  return image;
}

}  // namespace vila::media
