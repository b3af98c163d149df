// SPDX-License-Identifier: Apache-2.0
#include "media/decode.h"

#include <filesystem>
#include <functional>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "support/sha256.h"

namespace vila::media {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Image decode(std::string_view bytes, const DecodeLimits& limits = {}) {
  return decode_image(bytes_of(bytes), "picture", limits);
}

std::string refusal(std::string_view bytes, const DecodeLimits& limits = {}) {
  try {
    decode(bytes, limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_image) << error.what();
    return error.message();
  }
  return "";
}

const fs::path& picture_folder() {
  static const fs::path folder = fs::path(VILA_SOURCE_DIR) / "tests/data/pictures";
  return folder;
}

struct Expected {
  std::string file;
  int64_t width;
  int64_t height;
  std::string rgb_sha256;
};

/// Made and read back as convert("RGB") by Pillow 13.0.0 (Adam7 rows of interlaced.png by hand).
const std::vector<Expected>& pictures() {
  static const std::vector<Expected> rows = {
      {"animated.webp", 10, 8, "b6bec40db0dc081304829819a5d09250ab5fdac79205f434e34d74264b8a2474"},
      {"baseline.jpg", 13, 9, "d044f9239af8b49fadb36eb28cfe2e2e8e4aa671182fc9510a7dc3a008bba268"},
      {"bits.bmp", 21, 4, "b6fa6a1629de7fbceb0a3a860e98c3c39ad67573a8907a8ead8404d32fb9b81e"},
      {"cmyk.jpg", 11, 6, "67568e4c6537d1e3de242e6ef058416279a82d1befbc8024f63b3ce72acfc2c5"},
      {"grey.jpg", 12, 7, "a231cef3673742428634bc01fb6bfbcf0c88a3fd91e5eb54db0492aacd34bc04"},
      {"grey_1bit.png", 19, 5, "494f7d5b0aa7a5960cc2873266d36459103265ad489d86f6c0f1b52bc236f63b"},
      {"grey_alpha.png", 9, 5, "5e9a6c66b5ee2bef6d92e860bf9d098ed6396d2576e3690ae39b1242da57a2ac"},
      {"interlaced.png", 11, 10,
       "c34d0ad611b0bb1d0af9fc337ac5b2046ede9e33744679564a758b896f3db5ef"},
      {"interlaced.gif", 19, 12,
       "90c66033d6bee7a4114152d4ebc86b4b5d5ab37d4ff4dc02367bc8cfda034c9c"},
      {"lossless_alpha.webp", 13, 9,
       "6f274e8be9aacb2896bc7f0d552dfa72def38222cf054b52e8d52a2b24545cae"},
      {"lossy.webp", 13, 9, "58698923d566eaa8035c6692e8fd69ff48397cfe1c07b3e1ddbc8875184de1b4"},
      {"palette.bmp", 13, 6, "7582a56332e3420ea41abb11f2cbcbefda1a4427a886fa3df91f8c46004cb277"},
      {"partial.gif", 14, 10, "b21cbce3beda428410e693b33241cfaea5ca5a4feb1cceaaf8d6d44d29460e11"},
      {"plain.gif", 31, 17, "a6ca655c2056053b1657c18eb5570ce131f711f5edb0f64c0ea21841ba404f8f"},
      {"rgba.bmp", 9, 6, "8c450d85754225b82ace0b6bc43f47fb7c57bfc5f7885ad34dd4f7ea257506cf"},
      {"true_colour.bmp", 9, 6, "bca676ef6c97cc39c41f64d939b6b88a1a5cd041dac77c9d98561fe740b4f40b"},
      {"palette_4bit.png", 19, 5,
       "281dad53b368ddb1ca6c595d2b1d1443f9d203a1f57065d1941406251157990e"},
      {"progressive.jpg", 13, 9,
       "d044f9239af8b49fadb36eb28cfe2e2e8e4aa671182fc9510a7dc3a008bba268"},
      {"rgba.png", 9, 5, "a8cc8a8d1fd827c5362fba0110b5039748a64a0796a1af53fbd4829e6d0e74f5"}};
  return rows;
}

TEST(Decode, GivesTheBytesOfPillow) {
  for (const Expected& expected : pictures()) {
    const Image image = load_image(picture_folder() / expected.file);
    EXPECT_EQ(image.width, expected.width) << expected.file;
    EXPECT_EQ(image.height, expected.height) << expected.file;
    EXPECT_EQ(test::sha256_hex(std::as_bytes(std::span(image.pixels))), expected.rgb_sha256)
        << expected.file;
  }
}

TEST(Decode, EveryTruncationIsAnErrorOrTheWholePicture) {
  for (const Expected& expected : pictures()) {
    const std::string whole = read_file(picture_folder() / expected.file);
    const Image image = decode(whole);
    size_t refused = 0;
    for (size_t size = 0; size < whole.size(); ++size) {
      // A copy of its own size, so that AddressSanitizer sees a read beyond the end.
      const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      try {
        EXPECT_EQ(decode({cut.data(), cut.size()}).pixels, image.pixels)
            << expected.file << " cut to " << size << " bytes";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_image);
        ++refused;
      }
    }
    // Only what follows the pixels (a trailing PNG chunk, the second frame) may be missing.
    EXPECT_GE(refused, whole.size() / 2) << expected.file;
  }
}

TEST(Decode, EveryFlippedByteIsAnErrorOrSomePicture) {
  for (const Expected& expected : pictures()) {
    const std::string whole = read_file(picture_folder() / expected.file);
    for (size_t at = 0; at < whole.size(); ++at) {
      for (const int flip : {0x01, 0x80, 0xFF}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        try {
          const Image image = decode(damaged, {.max_side = 4096, .max_pixels = 1 << 20});
          EXPECT_EQ(image.pixels.size(), static_cast<size_t>(image.width * image.height * 3));
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::invalid_image);
        }
      }
    }
  }
}

TEST(Decode, TruncatedJpegsAreRefusedThoughLibjpegWouldGoOn) {
  const std::string whole = read_file(picture_folder() / "baseline.jpg");
  EXPECT_NE(refusal(std::string_view(whole).substr(0, whole.size() - 2)).find("truncated"),
            std::string::npos);
}

TEST(Decode, RefusesWhatIsNoPicture) {
  EXPECT_NE(refusal("").find("0 bytes"), std::string::npos);
  EXPECT_NE(refusal("II*\x01 whatever").find("JPEG, PNG, WebP, GIF, BMP or PPM"),
            std::string::npos);
  EXPECT_NE(refusal("\xFF\xD8\xFF"), "");
  EXPECT_NE(refusal("\x89PNG\r\n\x1A\n"), "");
  EXPECT_NE(refusal("RIFF\x04\0\0\0WEBP"), "");
  EXPECT_NE(refusal("P6"), "");
  EXPECT_NE(refusal("BM"), "");
  EXPECT_NE(refusal("GIF89a"), "");
  EXPECT_NE(refusal("picture: hello").find("picture"), std::string::npos);
}

TEST(Decode, NamesAMissingFile) {
  try {
    load_image(picture_folder() / "absent.png");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.message().find("absent.png"), std::string::npos);
  }
}

TEST(Decode, ChecksLimitsBeforeItAllocates) {
  const std::string jpeg = read_file(picture_folder() / "baseline.jpg");
  const std::string webp = read_file(picture_folder() / "lossy.webp");
  for (const std::string& bytes : {jpeg, webp, encode_png(Image(13, 9))}) {
    EXPECT_NE(refusal(bytes, {.max_side = 12}).find("13 x 9"), std::string::npos);
    EXPECT_NE(refusal(bytes, {.max_pixels = 116}).find("116 pixels"), std::string::npos);
    EXPECT_EQ(refusal(bytes, {.max_side = 13, .max_pixels = 117}), "");
  }
  EXPECT_NE(refusal("P6 2147483647 2147483647 255\n").find("2147483647"), std::string::npos);
  EXPECT_NE(refusal("P6 99999999999999999999999999 1 255\n"), "");
}

TEST(Decode, OversizedHeadersAreRefusedQuickly) {
  std::string jpeg = read_file(picture_folder() / "baseline.jpg");
  const size_t frame = jpeg.find("\xFF\xC0");
  jpeg[frame + 5] = '\x80';  // high byte of the height
  jpeg[frame + 7] = '\x80';  // high byte of the width
  EXPECT_NE(refusal(jpeg).find("32781 x 32777"), std::string::npos);
}

TEST(Decode, EndlessScansAreRefused) {
  const std::string whole = read_file(picture_folder() / "progressive.jpg");
  const size_t last_scan = whole.rfind("\xFF\xDA");
  const size_t end = whole.rfind("\xFF\xD9");
  std::string bytes = whole.substr(0, end);
  for (int i = 0; i < 600; ++i)
    bytes += whole.substr(last_scan, end - last_scan);
  EXPECT_NE(refusal(bytes + whole.substr(end)).find("scans"), std::string::npos);
}

TEST(Decode, TakesHairThinPictures) {
  for (const auto& [width, height] : {std::pair{1, 20000}, {20000, 1}}) {
    const Image image(width, height, {3, 2, 1});
    const Image back = decode(encode_png(image));
    EXPECT_EQ(back.width, width);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(Decode, ReadsWhatEncodePngWrote) {
  Image image(17, 11);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<uint8_t>(i * 37);
  EXPECT_EQ(decode(encode_png(image)).pixels, image.pixels);
}

TEST(DecodePpm, ReadsHeadersWithComments) {
  const Image image = decode("P6\n# made by hand\n2 # width\n1\n255\nabcdef");
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(image.pixels, (Pixels{'a', 'b', 'c', 'd', 'e', 'f'}));
}

TEST(DecodePpm, ScalesOtherLargestValuesAsPillow) {
  // Pillow 10.2: round(value / max * 255), half to even; grey beyond 8 bits is clipped at 255.
  using namespace std::string_view_literals;
  EXPECT_EQ(decode("P5 3 1 4\n\0\x01\x04"sv).pixels, (Pixels{0, 0, 0, 64, 64, 64, 255, 255, 255}));
  EXPECT_EQ(decode("P6 1 1 65535\n\x01\x00\x80\x00\xFF\xFF"sv).pixels, (Pixels{1, 128, 255}));
  EXPECT_EQ(decode("P5 2 1 65535\n\x00\x07\x01\x00"sv).pixels, (Pixels{7, 7, 7, 255, 255, 255}));
}

TEST(DecodePpm, RefusesBrokenFiles) {
  for (const char* bytes :
       {"P6 2 1 255\nabcde", "P6 2 1 255", "P6 2 1 255\n", "P6 2 1 0\nabcdef",
        "P6 2 1 65536\nabcdef", "P6 0 1 255\n", "P6 a 1 255\n", "P6 2 -1 255\n", "P6 #", "P5 "}) {
    EXPECT_NE(refusal(bytes), "") << bytes;
  }
}

}  // namespace
}  // namespace vila::media
