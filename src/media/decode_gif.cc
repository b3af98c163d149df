// SPDX-License-Identifier: Apache-2.0
// The first frame of a GIF (CompuServe, "Graphics Interchange Format, version 89a").
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "media/byte_reader.h"

namespace vila::media {
namespace {

constexpr int kMaxCodeBits = 12;

using Palette = std::array<uint8_t, 256 * 3>;  // indices beyond the file's palette are black

/// The codes of the data blocks, which end with an empty one.
class CodeReader {
 public:
  explicit CodeReader(ByteReader& input) : input_(input) {}

  int next(int width) {
    while (held_bits_ < width) {
      if (block_.empty()) block_ = input_.take(static_cast<size_t>(input_.u8()));
      if (block_.empty()) input_.fail("its pixel data end too early");
      held_ |= uint32_t{block_[0]} << held_bits_;
      held_bits_ += 8;
      block_ = block_.subspan(1);
    }
    const auto code = static_cast<int>(held_ & ((1U << width) - 1));
    held_ >>= width;
    held_bits_ -= width;
    return code;
  }

 private:
  ByteReader& input_;
  std::span<const unsigned char> block_;
  uint32_t held_ = 0;
  int held_bits_ = 0;
};

/// Undoes the LZW compression of appendix F.
class LzwDecoder {
 public:
  LzwDecoder(ByteReader& input, int literal_bits)
      : input_(input), codes_(input), literal_bits_(literal_bits), clear_(1 << literal_bits) {
    reset();
  }

  std::vector<uint8_t> decode(size_t count) {
    std::vector<uint8_t> pixels;
    pixels.reserve(count);
    while (pixels.size() < count) {
      const int code = codes_.next(width_);
      if (code == clear_) {
        reset();
      } else {
        append(code, pixels);
      }
    }
    pixels.resize(count);
    return pixels;
  }

 private:
  void reset() {
    width_ = literal_bits_ + 1;
    next_ = clear_ + 2;
    previous_ = -1;
  }

  /// Appends the string of `code` and learns the previous string plus its first pixel.
  void append(int code, std::vector<uint8_t>& pixels) {
    const bool is_known = code < next_ && code != clear_ + 1;
    const bool is_learned_now = code == next_ && previous_ >= 0;
    if (!is_known && !is_learned_now) input_.fail("its pixel data");
    std::array<uint8_t, size_t{1} << kMaxCodeBits> reversed;
    size_t length = 0;
    if (!is_known) reversed[length++] = first_;
    int at = is_known ? code : previous_;
    for (; at >= clear_; at = prefix_[static_cast<size_t>(at)]) {
      reversed[length++] = suffix_[static_cast<size_t>(at)];
    }
    first_ = static_cast<uint8_t>(at);
    pixels.push_back(first_);
    while (length > 0)
      pixels.push_back(reversed[--length]);
    learn();
    previous_ = code;
  }

  void learn() {
    if (previous_ < 0 || next_ >= 1 << kMaxCodeBits) return;
    prefix_[static_cast<size_t>(next_)] = static_cast<uint16_t>(previous_);
    suffix_[static_cast<size_t>(next_)] = first_;
    ++next_;
    if (next_ == 1 << width_ && width_ < kMaxCodeBits) ++width_;
  }

  ByteReader& input_;
  CodeReader codes_;
  int literal_bits_;
  int clear_;
  int width_ = 0;
  int next_ = 0;
  int previous_ = -1;  // code; -1 after a clear
  uint8_t first_ = 0;  // first pixel of the previous string
  std::array<uint16_t, size_t{1} << kMaxCodeBits> prefix_{};
  std::array<uint8_t, size_t{1} << kMaxCodeBits> suffix_{};
};

/// `flags` bit 7: there is one; bits 0-2: its size.
std::optional<Palette> read_palette(ByteReader& input, int64_t flags) {
  if ((flags & 0x80) == 0) return std::nullopt;
  Palette palette{};
  std::ranges::copy(input.take(size_t{6} << (flags & 7)), palette.begin());
  return palette;
}

Palette grey_palette() {
  Palette palette{};
  for (size_t i = 0; i < palette.size(); ++i)
    palette[i] = static_cast<uint8_t>(i / 3);
  return palette;
}

/// Skips one extension; tells the transparent index when it is a graphic control one.
std::optional<uint8_t> read_extension(ByteReader& input) {
  const bool is_graphic_control = input.u8() == 0xF9;
  std::optional<uint8_t> transparent;
  for (auto block = input.take(static_cast<size_t>(input.u8())); !block.empty();
       block = input.take(static_cast<size_t>(input.u8()))) {
    if (is_graphic_control && block.size() >= 4 && (block[0] & 1) != 0) transparent = block[3];
  }
  return transparent;
}

/// Picture row of the i-th stored row.
std::vector<int64_t> row_order(int64_t height, bool is_interlaced) {
  std::vector<int64_t> order;
  const auto add = [&](int64_t first, int64_t step) {
    for (int64_t y = first; y < height; y += step)
      order.push_back(y);
  };
  if (!is_interlaced) {
    add(0, 1);
  } else {
    add(0, 8);
    add(4, 8);
    add(2, 4);
    add(1, 2);
  }
  return order;
}

}  // namespace

Image decode_gif(const EncodedImage& encoded) {
  ByteReader input(encoded, "GIF");
  input.seek(6);
  int64_t canvas_width = input.u16();
  int64_t canvas_height = input.u16();
  const int64_t screen_flags = input.u8();
  input.take(2);  // background index and aspect ratio, which Pillow ignores too
  std::optional<Palette> palette = read_palette(input, screen_flags);

  uint8_t background = 0;
  for (int64_t block = input.u8(); block != 0x2C; block = input.u8()) {
    if (block == 0x3B) input.fail("no frame in it");
    if (block == 0x21) background = read_extension(input).value_or(background);
  }
  const int64_t left = input.u16();
  const int64_t top = input.u16();
  const int64_t width = input.u16();
  const int64_t height = input.u16();
  const int64_t flags = input.u8();
  if (const auto local = read_palette(input, flags)) palette = local;
  const int64_t literal_bits = input.u8();
  if (literal_bits < 1 || literal_bits > 8) input.fail("its pixel data");
  canvas_width = std::max(canvas_width, left + width);
  canvas_height = std::max(canvas_height, top + height);
  encoded.check_size(canvas_width, canvas_height);

  const Palette colours = palette.value_or(grey_palette());
  const auto colour = [&](uint8_t index) { return &colours[size_t{index} * 3]; };
  LzwDecoder decoder(input, static_cast<int>(literal_bits));
  const std::vector<uint8_t> pixels = decoder.decode(static_cast<size_t>(width * height));
  const uint8_t* around = colour(background);
  Image image(canvas_width, canvas_height, {around[0], around[1], around[2]});
  const uint8_t* pixel = pixels.data();
  for (const int64_t y : row_order(height, (flags & 0x40) != 0)) {
    for (int64_t x = 0; x < width; ++x)
      std::copy_n(colour(*pixel++), 3, image.at(left + x, top + y));
  }
  return image;
}

}  // namespace vila::media
