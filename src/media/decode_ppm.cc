// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "media/codecs.h"

namespace vila::media {
namespace {

constexpr size_t kMaxDigits = 10;  // enough to be too large, too few to overflow

/// Reads the header of a binary PGM or PPM: numbers between white space and # comments.
class HeaderReader {
 public:
  explicit HeaderReader(const EncodedImage& encoded) : encoded_(encoded) {}

  int64_t next_number() {
    skip_blanks();
    const size_t begin = at_;
    int64_t value = 0;
    for (; is_digit() && at_ - begin <= kMaxDigits; ++at_) {
      value = value * 10 + (encoded_.data()[at_] - '0');
    }
    if (at_ == begin) encoded_.fail_damaged("PPM", "a number is missing in its header");
    return value;
  }

  /// Where the pixels begin: after exactly one blank.
  size_t data_start() const { return at_ + 1; }

 private:
  bool is_inside() const { return at_ < encoded_.bytes.size(); }

  bool is_digit() const {
    return is_inside() && encoded_.data()[at_] >= '0' && encoded_.data()[at_] <= '9';
  }

  void skip_blanks() {
    for (bool is_comment = false; is_inside(); ++at_) {
      const unsigned char byte = encoded_.data()[at_];
      const bool is_blank = byte == ' ' || (byte >= '\t' && byte <= '\r');
      if (byte == '#') is_comment = true;
      if (!is_comment && !is_blank) return;
      if (byte == '\n' || byte == '\r') is_comment = false;
    }
  }

  const EncodedImage& encoded_;
  size_t at_ = 2;
};

/// The byte of each sample value, as Pillow's PpmImagePlugin makes it: round(value / max * 255),
/// half to even. Grey beyond 8 bits becomes its mode I of 16 bits, which convert("RGB") clips.
std::vector<uint8_t> sample_table(int64_t max_value, bool is_grey) {
  const double out_max = is_grey && max_value > 255 ? 65535.0 : 255.0;
  std::vector<uint8_t> table;
  for (int64_t value = 0; value <= max_value; ++value) {
    const double share = static_cast<double>(value) / static_cast<double>(max_value);
    table.push_back(static_cast<uint8_t>(std::min(std::nearbyint(share * out_max), 255.0)));
  }
  return table;
}

}  // namespace

Image decode_ppm(const EncodedImage& encoded) {
  const bool is_grey = encoded.data()[1] == '5';
  HeaderReader header(encoded);
  const int64_t width = header.next_number();
  const int64_t height = header.next_number();
  const int64_t max_value = header.next_number();
  encoded.check_size(width, height);
  if (max_value < 1 || max_value > 65535) encoded.fail_damaged("PPM", "its largest value");

  const size_t sample_bytes = max_value > 255 ? 2 : 1;
  const auto samples = static_cast<size_t>(width * height * (is_grey ? 1 : 3));
  const size_t start = header.data_start();
  if (start > encoded.bytes.size() || encoded.bytes.size() - start < samples * sample_bytes) {
    encoded.fail_damaged("PPM", "the file ends too early");
  }
  const std::vector<uint8_t> table = sample_table(max_value, is_grey);
  const unsigned char* data = encoded.data() + start;
  Image image(width, height);
  uint8_t* target = image.pixels.data();
  for (size_t i = 0; i < samples; ++i, data += sample_bytes) {
    const size_t value = sample_bytes == 2 ? data[0] * size_t{256} + data[1] : data[0];
    target = std::fill_n(target, is_grey ? 3 : 1, table[std::min(value, table.size() - 1)]);
  }
  return image;
}

}  // namespace vila::media
