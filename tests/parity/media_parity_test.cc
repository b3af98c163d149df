// SPDX-License-Identifier: Apache-2.0
// Against the reference's own results (Pillow 10.2.0, transformers 4.46.3, libjpeg-turbo 3.0.1):
// ../shared/conformance/preprocess/README.md says how they were made.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "media/decode.h"
#include "media/image_processor.h"
#include "media/resize.h"
#include "media/tiling.h"
#include "support/sha256.h"
#include "support/xz_lines.h"
#include "tensor/compare.h"

namespace vila::media {
namespace {

namespace fs = std::filesystem;

std::string sha256_of(const Image& image) {
  return test::sha256_hex(std::as_bytes(std::span(image.pixels)));
}

class MediaParity : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(root_)) GTEST_SKIP() << "no ../shared/conformance beside the repository";
  }

  /// Calls body(row) for every picture; returns how many.
  template <typename Body>
  int for_each_picture(const Body& body) {
    int count = 0;
    for (const std::string& line : test::read_xz_lines(root_ / "preprocess/preprocess.jsonl.xz")) {
      const Json row = parse_json(line, "preprocess.jsonl");
      const auto file = row.at("file").get<std::string>();
      SCOPED_TRACE(file);
      body(row, path_of(file));
      ++count;
    }
    return count;
  }

  fs::path path_of(const std::string& file) const {
    return file.starts_with("media/") ? root_ / file : root_ / "preprocess" / file;
  }

  fs::path root_ = fs::path(VILA_SOURCE_DIR) / "../shared/conformance";
};

TEST_F(MediaParity, DecodesEveryPictureToTheBytesOfPillow) {
  int refused = 0;
  const int count = for_each_picture([&](const Json& row, const fs::path& path) {
    if (row.contains("error")) {
      EXPECT_THROW(load_image(path), Error);
      ++refused;
      return;
    }
    const Image image = load_image(path);
    EXPECT_EQ(image.width, row.at("size").at(0).get<int64_t>());
    EXPECT_EQ(image.height, row.at("size").at(1).get<int64_t>());
    EXPECT_EQ(sha256_of(image), row.at("rgb_sha256").get<std::string>());
  });
  EXPECT_EQ(count, 65);
  EXPECT_EQ(refused, 2);
}

constexpr std::array<float, 3> kHalf = {0.5F, 0.5F, 0.5F};

ProcessorConfig siglip(int64_t size, ProcessorConfig::Mode mode) {
  return {.image_size = size, .mean = kHalf, .std = kHalf, .mode = mode, .crops = false};
}

/// Every mode of the goldens.
std::map<std::string, ProcessorConfig> all_modes() {
  using Mode = ProcessorConfig::Mode;
  std::map<std::string, ProcessorConfig> modes = {
      {"pad-clip336", {.mode = Mode::pad}},
      {"crop-clip336", {.mode = Mode::crop}},
      {"resize-clip336", {.mode = Mode::resize}},
      {"pad-siglip384", siglip(384, Mode::pad)},
      {"resize-siglip384", siglip(384, Mode::resize)},
      {"resize-siglip448", siglip(448, Mode::resize)},
      {"resize-siglip768", siglip(768, Mode::resize)},
      {"resize-intern448",
       {.image_size = 448,
        .mean = {0.485F, 0.456F, 0.406F},
        .std = {0.229F, 0.224F, 0.225F},
        .mode = Mode::resize}},
      {"dynamic-siglip448", siglip(448, Mode::dynamic)},
      {"dynamic6-siglip448", siglip(448, Mode::dynamic)},
      {"dynamic_s2-siglip448", siglip(448, Mode::dynamic_s2)}};
  modes.at("dynamic6-siglip448").max_tiles = 6;
  modes.at("dynamic_s2-siglip448").sides = {448, 896, 1344};
  return modes;
}

void expect_tiles(const TiledPicture& picture, const ProcessorConfig& config,
                  const Json& expected) {
  std::vector<uint8_t> bytes;
  for (const Image& tile : picture.tiles)
    bytes.insert(bytes.end(), tile.pixels.begin(), tile.pixels.end());
  EXPECT_EQ(test::sha256_hex(std::as_bytes(std::span(bytes))),
            expected.at("u8_sha256").get<std::string>());
  const Tensor pixels = normalise_tiles(picture.tiles, config);
  double sum = 0;
  for (const float value : pixels.values<float>())
    sum += value;
  const double expected_sum = expected.at("sum").get<double>();
  EXPECT_NEAR(sum, expected_sum, 1e-9 * std::max(1.0, std::abs(expected_sum)));
  for (size_t k = 0; k < 64; ++k) {
    const auto at = k * (static_cast<size_t>(pixels.numel()) - 1) / 63;
    EXPECT_EQ(pixels.values<float>()[at], expected.at("samples").at(k).get<float>()) << k;
  }
  if (!expected.contains("block_size") || expected.at("block_size").is_null()) return;
  EXPECT_EQ(picture.block.rows, expected.at("block_size").at(0).get<int64_t>());
  EXPECT_EQ(picture.block.columns, expected.at("block_size").at(1).get<int64_t>());
}

TEST_F(MediaParity, ProcessesEveryPictureToTheBytesOfTheReference) {
  const std::map<std::string, ProcessorConfig> modes = all_modes();
  size_t compared = 0;
  for_each_picture([&](const Json& row, const fs::path& path) {
    if (row.contains("error")) return;
    const Image image = load_image(path);
    for (const auto& [name, expected] : row.at("modes").items()) {
      SCOPED_TRACE(name);
      const ProcessorConfig& config = modes.at(name);
      expect_tiles(tile_picture(image, config), config, expected);
      ++compared;
    }
  });
  EXPECT_EQ(compared, 63 * modes.size());
}

TEST_F(MediaParity, NormalisesEveryByteExactly) {
  const auto file = formats::read_safetensors(root_ / "preprocess/normalise.safetensors");
  const std::map<std::string, ProcessorConfig> towers = {
      {"clip", {.image_size = 16}},
      {"siglip", {.image_size = 16, .mean = {0.5F, 0.5F, 0.5F}, .std = {0.5F, 0.5F, 0.5F}}},
      {"intern",
       {.image_size = 16, .mean = {0.485F, 0.456F, 0.406F}, .std = {0.229F, 0.224F, 0.225F}}}};
  Image bytes(16, 16);
  for (size_t i = 0; i < bytes.pixels.size(); ++i)
    bytes.pixels[i] = static_cast<uint8_t>(i / 3);
  for (const auto& [name, config] : towers) {
    const Tensor actual = normalise(bytes, config).reshape({3, 256});
    EXPECT_EQ(compare(actual, file.tensors.at(name)).max_abs, 0) << name;
  }
}

/// "out/<k>/<filter>/<width>x<height>" taken apart.
struct ResizeCase {
  std::string input;
  Filter filter = Filter::bicubic;
  int64_t width = 0;
  int64_t height = 0;

  explicit ResizeCase(const std::string& name) {
    const std::map<std::string, Filter> filters = {
        {"bicubic", Filter::bicubic}, {"bilinear", Filter::bilinear}, {"lanczos", Filter::lanczos},
        {"box", Filter::box},         {"hamming", Filter::hamming},   {"nearest", Filter::nearest}};
    const size_t key_end = name.find('/', 4);
    const size_t filter_end = name.find('/', key_end + 1);
    const size_t times = name.rfind('x');
    input = "in/" + name.substr(4, key_end - 4);
    filter = filters.at(name.substr(key_end + 1, filter_end - key_end - 1));
    width = std::stoll(name.substr(filter_end + 1, times - filter_end - 1));
    height = std::stoll(name.substr(times + 1));
  }
};

/// Grey pictures as RGB with three equal channels: Pillow resizes each channel alone.
Image image_of(const Tensor& tensor) {
  Image image(tensor.dim(1), tensor.dim(0));
  const bool is_grey = tensor.dim(2) == 1;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = tensor.data<uint8_t>()[is_grey ? i / 3 : i];
  }
  return image;
}

TEST_F(MediaParity, ResizesEveryCaseToTheBytesOfPillow) {
  const auto file = formats::read_safetensors(root_ / "preprocess/resize.safetensors");
  int compared = 0;
  for (const auto& [name, expected] : file.tensors) {
    if (!name.starts_with("out/")) continue;
    const ResizeCase wanted(name);
    const Image input = image_of(file.tensors.at(wanted.input));
    const Image output = resize(input, wanted.width, wanted.height, wanted.filter);
    EXPECT_EQ(output.pixels, image_of(expected).pixels) << name;
    ++compared;
  }
  EXPECT_GT(compared, 100);
  RecordProperty("compared", compared);
}

/// The pixels of tests/oracle/picture_parity.py: the upper bytes of a linear congruential
/// generator.
Image generated(int64_t width, int64_t height, uint32_t seed) {
  Image image(width, height);
  for (uint8_t& byte : image.pixels) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<uint8_t>(seed >> 24);
  }
  return image;
}

std::string sha256_of_all(const std::vector<Image>& tiles) {
  std::vector<uint8_t> bytes;
  for (const Image& tile : tiles)
    bytes.insert(bytes.end(), tile.pixels.begin(), tile.pixels.end());
  return test::sha256_hex(std::as_bytes(std::span(bytes)));
}

// Needs no other data than the hashes of Pillow 10.2.0 in the repository.
TEST(PictureSizes, EveryModeEqualsPillowAtAnySize) {
  const auto modes = all_modes();
  std::ifstream lines(fs::path(VILA_SOURCE_DIR) / "tests/data/picture-sizes.jsonl");
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const Json row = parse_json(line, "picture-sizes.jsonl");
    const Image image = generated(row.at("width").get<int64_t>(), row.at("height").get<int64_t>(),
                                  row.at("seed").get<uint32_t>());
    for (const auto& [mode, config] : modes) {
      if (!row.contains(mode)) continue;
      EXPECT_EQ(sha256_of_all(tile_picture(image, config).tiles), row.at(mode).get<std::string>())
          << mode << " of " << image.width << " x " << image.height;
    }
  }
  EXPECT_EQ(count, 40);
}

}  // namespace
}  // namespace vila::media
