// SPDX-License-Identifier: Apache-2.0
#include "media/image_processor.h"

#include <gtest/gtest.h>

#include "base/cpu_info.h"
#include "base/error.h"
#include "media/resize.h"

namespace vila::media {
namespace {

using Mode = ProcessorConfig::Mode;

Image ramp(int64_t width, int64_t height) {
  Image image(width, height);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<uint8_t>((i * 7919) >> 5);
  }
  return image;
}

TEST(ImageProcessor, KnowsTheAspectRatioNames) {
  EXPECT_EQ(parse_aspect_ratio("pad"), Mode::pad);
  EXPECT_EQ(parse_aspect_ratio("resize"), Mode::resize);
  EXPECT_EQ(parse_aspect_ratio("square"), Mode::crop);
  EXPECT_EQ(parse_aspect_ratio(""), Mode::crop);
  EXPECT_EQ(parse_aspect_ratio("dynamic"), Mode::dynamic);
  EXPECT_EQ(parse_aspect_ratio("dynamic_s2"), Mode::dynamic_s2);
  try {
    parse_aspect_ratio("round");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_config);
    EXPECT_NE(error.message().find("found \"round\""), std::string::npos);
  }
}

TEST(ImageProcessor, PadsWithTheMeanColour) {
  const Image square = process_geometry(Image(40, 10), {.image_size = 40, .mode = Mode::pad});
  const std::array<uint8_t, 3> colour = {122, 116, 104};  // int(mean * 255) of CLIP
  EXPECT_TRUE(std::equal(colour.begin(), colour.end(), square.at(0, 0)));
  EXPECT_TRUE(std::equal(colour.begin(), colour.end(), square.at(39, 39)));
  EXPECT_EQ(*square.at(20, 20), 0);
}

TEST(ImageProcessor, CropEqualsResizeThenCrop) {
  for (const auto& [width, height] : {std::pair{100, 41}, {41, 100}, {20, 7}, {30, 30}}) {
    const Image image = ramp(width, height);
    const int64_t shorter = std::min(width, height);
    const int64_t w = 32 * width / shorter;
    const int64_t h = 32 * height / shorter;
    const Image expected = crop(resize(image, w, h), (w - 32) / 2, (h - 32) / 2, 32, 32);
    const Image actual = process_geometry(image, {.image_size = 32, .mode = Mode::crop});
    EXPECT_EQ(actual.pixels, expected.pixels) << width << " x " << height;
  }
}

TEST(ImageProcessor, TakesHairThinPicturesWithoutMuchMemory) {
  const int64_t before = peak_resident_bytes();
  for (const auto& [width, height] : {std::pair{1, 20000}, {20000, 1}}) {
    for (const Mode mode : {Mode::pad, Mode::crop, Mode::resize}) {
      const Image square = process_geometry(ramp(width, height), {.mode = mode});
      EXPECT_EQ(square.width, 336);
      EXPECT_EQ(square.height, 336);
    }
  }
  EXPECT_LT(peak_resident_bytes() - before, 128 << 20);
}

TEST(ImageProcessor, RefusesEmptyPictures) {
  EXPECT_THROW(process_geometry(Image(), {}), Error);
  EXPECT_THROW(process_geometry(Image(0, 5), {.mode = Mode::crop}), Error);
}

TEST(ImageProcessor, NormalisesToPlanes) {
  Image image(2, 2);
  image.pixels = {0, 51, 255, 0, 51, 255, 0, 51, 255, 255, 51, 0};
  const ProcessorConfig config{
      .image_size = 2, .mean = {0.5F, 0.25F, 0.0F}, .std = {0.5F, 0.25F, 2.0F}};
  const Tensor pixels = normalise(image, config);
  ASSERT_EQ(pixels.shape(), Shape({3, 2, 2}));
  const auto values = pixels.values<float>();
  EXPECT_EQ(values[0], -1.0F);
  EXPECT_EQ(values[3], 1.0F);
  EXPECT_EQ(values[4], (0.2F - 0.25F) / 0.25F);
  EXPECT_EQ(values[8], 0.5F);
  EXPECT_EQ(values[11], 0.0F);
}

TEST(ImageProcessor, ProcessIsGeometryThenNormalise) {
  const Image image = ramp(50, 20);
  const ProcessorConfig config{.image_size = 24};
  const Tensor expected = normalise(process_geometry(image, config), config);
  const Tensor actual = process_image(image, config);
  EXPECT_TRUE(std::ranges::equal(actual.values<float>(), expected.values<float>()));
}

}  // namespace
}  // namespace vila::media
