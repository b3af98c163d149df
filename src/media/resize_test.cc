// SPDX-License-Identifier: Apache-2.0
#include "media/resize.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "media/resize_passes.h"

namespace vila::media {
namespace {

Image noise(int64_t width, int64_t height, uint64_t seed = 1) {
  Image image(width, height);
  Random random(seed);
  for (uint8_t& byte : image.pixels)
    byte = static_cast<uint8_t>(random.below(256));
  return image;
}

/// 5 x 2 pixels with overshoot in the first channel.
Image sample() {
  Image image(5, 2);
  image.pixels = {0, 10, 255, 255, 20, 250, 0, 30, 245, 255, 40, 240, 0, 50, 235,
                  9, 90, 1,   8,   80, 2,   7, 70, 3,   6,   60, 4,   5, 50, 5};
  return image;
}

struct PillowCase {
  Filter filter;
  Pixels shrunk;  // to 3 x 2
  Pixels row;     // first row of the enlargement to 7 x 3
};

TEST(Resize, GivesTheBytesOfPillow) {
  // Image.fromarray(sample).resize((3, 2), filter) and .resize((7, 3), filter) of Pillow 13.0.0.
  const std::vector<PillowCase> cases = {
      {Filter::nearest,
       {0, 10, 255, 0, 30, 245, 0, 50, 235, 9, 90, 1, 7, 70, 3, 5, 50, 5},
       {0,   10,  255, 255, 20,  250, 255, 20, 250, 0,  30,
        245, 255, 40,  240, 255, 40,  240, 0,  50,  235}},
      {Filter::box,
       {128, 15, 253, 0, 30, 245, 128, 45, 238, 9, 85, 2, 7, 70, 3, 6, 55, 5},
       {0,   10,  255, 255, 20,  250, 255, 20, 250, 0,  30,
        245, 255, 40,  240, 255, 40,  240, 0,  50,  235}},
      {Filter::bilinear,
       {109, 14, 253, 113, 30, 245, 109, 46, 237, 9, 86, 1, 7, 70, 3, 5, 54, 5},
       {0,   10,  255, 146, 16,  252, 182, 23, 249, 0,  30,
        245, 182, 37,  241, 146, 44,  238, 0,  50,  235}},
      {Filter::hamming,
       {96, 14, 253, 73, 30, 245, 96, 46, 237, 9, 86, 1, 7, 70, 3, 5, 54, 5},
       {0,   10,  255, 169, 17,  252, 227, 21, 249, 0,  30,
        245, 227, 39,  241, 169, 43,  238, 0,  50,  235}},
      {Filter::bicubic,
       {106, 14, 253, 126, 30, 245, 106, 46, 237, 9, 86, 1, 7, 70, 3, 5, 54, 5},
       {0, 4, 255, 170, 10, 255, 217, 19, 255, 0, 27, 255, 217, 35, 255, 170, 44, 252, 0, 51, 250}},
      {Filter::lanczos,
       {101, 13, 253, 141, 30, 245, 101, 47, 237, 9, 87, 1, 7, 70, 3, 5, 53, 5},
       {0, 0, 255, 190, 6, 255, 231, 16, 255, 0, 25, 255, 231, 34, 255, 190, 44, 255, 0, 51, 255}}};
  for (const PillowCase& expected : cases) {
    SCOPED_TRACE(static_cast<int>(expected.filter));
    EXPECT_EQ(resize(sample(), 3, 2, expected.filter).pixels, expected.shrunk);
    Image large = resize(sample(), 7, 3, expected.filter);
    large.pixels.resize(expected.row.size());
    EXPECT_EQ(large.pixels, expected.row);
  }
}

TEST(Resize, OfTheSameSizeIsACopy) {
  const Image image = noise(7, 5);
  EXPECT_EQ(resize(image, 7, 5).pixels, image.pixels);
}

TEST(Resize, KeepsConstantPictures) {
  const Image image(37, 23, {200, 3, 255});
  for (const auto& [width, height] : {std::pair{5, 3}, {100, 90}, {1, 1}, {37, 4}, {4, 23}}) {
    EXPECT_EQ(resize(image, width, height).pixels, Image(width, height, {200, 3, 255}).pixels);
  }
}

TEST(Resize, PartEqualsTheSamePartOfTheWhole) {
  const Image image = noise(61, 47);
  for (const auto& [width, height] : {std::pair{30, 20}, {90, 100}, {61, 20}, {30, 47}}) {
    const Image whole = resize(image, width, height);
    const Canvas canvas{.image = image, .width = 61, .height = 47};
    const Image part = resize_part(canvas, {width, height, 7, 3, 11, 13}, Filter::bicubic);
    EXPECT_EQ(part.pixels, crop(whole, 7, 3, 11, 13).pixels) << width << " x " << height;
  }
}

TEST(Resize, OfACanvasEqualsResizeOfThePaddedPicture) {
  const std::array<uint8_t, 3> colour = {122, 116, 104};
  for (const auto& [width, height] : {std::pair{50, 20}, {20, 50}, {31, 30}, {1, 9}, {9, 1}}) {
    const Image image = noise(width, height);
    const Image padded = pad_to_square(image, colour);
    const Canvas canvas{image,
                        padded.width,
                        padded.height,
                        (padded.width - width) / 2,
                        (padded.height - height) / 2,
                        colour};
    for (const int64_t side : {4, 33, 70}) {
      const Image part = resize_part(canvas, {side, side, 0, 0, side, side}, Filter::bicubic);
      EXPECT_EQ(part.pixels, resize(padded, side, side).pixels) << width << " x " << height;
    }
  }
}

TEST(Resize, TakesExtremeShapes) {
  EXPECT_EQ(resize(Image(1, 20000, {9, 8, 7}), 336, 336).pixels, Image(336, 336, {9, 8, 7}).pixels);
  EXPECT_EQ(resize(Image(20000, 1, {9, 8, 7}), 1, 1).pixels, Image(1, 1, {9, 8, 7}).pixels);
}

TEST(Resize, RefusesEmptyAndEndlessSizes) {
  EXPECT_THROW(resize(Image(), 3, 3), Error);
  EXPECT_THROW(resize(Image(2, 2), 0, 3), Error);
  EXPECT_THROW(resize(Image(2, 2), 3, -1), Error);
  EXPECT_THROW(resize(Image(2, 2), 32769, 1), Error);
}

TEST(PadToSquare, PutsTheOddPixelLastAsTheReference) {
  const Image wide = pad_to_square(Image(4, 1, {1, 1, 1}), {5, 6, 7});
  ASSERT_EQ(wide.height, 4);
  EXPECT_EQ(*wide.at(0, 0), 5);
  EXPECT_EQ(*wide.at(0, 1), 1);  // (4 - 1) / 2 = 1 row above, 2 below
  EXPECT_EQ(*wide.at(3, 2), 5);
  const Image tall = pad_to_square(Image(2, 5, {1, 1, 1}), {5, 6, 7});
  EXPECT_EQ(*tall.at(0, 4), 5);
  EXPECT_EQ(*tall.at(1, 0), 1);
  EXPECT_EQ(*tall.at(2, 0), 1);
  EXPECT_EQ(tall.at(3, 0)[2], 7);
}

TEST(Crop, IsBlackOutside) {
  const Image image(2, 2, {9, 9, 9});
  const Image part = crop(image, -1, 1, 4, 2);
  EXPECT_EQ(part.pixels, (Pixels{0, 0, 0, 9, 9, 9, 9, 9, 9, 0, 0, 0,  //
                                 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(crop(image, 5, 5, 2, 1).pixels, Image(2, 1).pixels);
}

// Sides around a register's 16 samples and a step's 4 pixels, canvas around the image, every
// filter.
TEST(Resize, EveryTableGivesTheBytesOfThePlainLoops) {
  const ResizePasses* const passes = avx2_passes();
  if (passes == nullptr) GTEST_SKIP() << "this processor or build has none but the plain loops";
  std::mt19937 random(7);
  const auto up_to = [&](int64_t most) {
    return std::uniform_int_distribution<int64_t>(1, most)(random);
  };
  for (int round = 0; round < 60; ++round) {
    Image image(up_to(90), up_to(70));
    for (uint8_t& value : image.pixels)
      value = static_cast<uint8_t>(up_to(256) - 1);
    const Canvas canvas{.image = image,
                        .width = image.width + up_to(9),
                        .height = image.height + up_to(9),
                        .left = 1,
                        .top = 1,
                        .colour = {12, 200, 99}};
    const int64_t width = up_to(120);
    const int64_t height = up_to(120);
    const ResizeTarget target{width, height, 0, 0, width, height};
    for (const Filter filter :
         {Filter::box, Filter::bilinear, Filter::hamming, Filter::bicubic, Filter::lanczos}) {
      EXPECT_EQ(resize_part(canvas, target, filter, *passes).pixels,
                resize_part(canvas, target, filter, plain_passes()).pixels)
          << image.width << " x " << image.height << " to " << width << " x " << height;
    }
  }
}

// Large enough for whole pages, and cleared although its memory comes as it is.
TEST(LargeImage, IsBlackUnlessAColourIsGiven) {
  { Image(1400, 1400, {255, 255, 255}); }
  const Image image(1400, 1400);
  EXPECT_EQ(std::ranges::count(image.pixels, 0), 1400 * 1400 * 3);
}

}  // namespace
}  // namespace vila::media
