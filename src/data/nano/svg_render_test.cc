// SPDX-License-Identifier: Apache-2.0
#include "data/nano/svg_render.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "media/decode.h"
#include "media/image.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data::nano {
namespace {

// A red square in the upper left quarter of the page.
constexpr std::string_view kCorner = "<rect width=\"10\" height=\"10\" fill=\"#ff0000\"/>";

Drawing corner() {
  return Drawing::from_svg(wrap_svg(kCorner, 20, 20), "corner");
}

media::Image decoded(const std::string& png) {
  return media::decode_image(std::as_bytes(std::span(png)), "test picture");
}

std::vector<int> colour_at(const media::Image& image, int64_t x, int64_t y) {
  const uint8_t* pixel = image.at(x, y);
  return {pixel[0], pixel[1], pixel[2]};
}

const std::vector<int> kRed = {255, 0, 0};
const std::vector<int> kWhite = {255, 255, 255};

TEST(NanoRender, WrapsAnIconBodyIntoADocument) {
  EXPECT_EQ(wrap_svg("<g/>", 128, 64),
            "<svg xmlns=\"http://www.w3.org/2000/svg\" "
            "xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"0 0 128 64\"><g/></svg>");
}

TEST(NanoRender, TrimsTheMarginsAndFillsTheSquare) {
  const media::Image image = decoded(corner().render_png(64, Placement()));
  ASSERT_EQ(image.width, 64);
  ASSERT_EQ(image.height, 64);
  EXPECT_EQ(colour_at(image, 32, 32), kRed);
  EXPECT_EQ(colour_at(image, 5, 58), kRed);
  EXPECT_EQ(colour_at(image, 0, 0), kWhite);
}

TEST(NanoRender, KeepsTheWholePageWhenNotTrimmed) {
  Placement whole;
  whole.scale = 1;
  whole.is_trimmed = false;
  const media::Image image = decoded(corner().render_png(64, whole));
  EXPECT_EQ(colour_at(image, 8, 8), kRed);
  EXPECT_EQ(colour_at(image, 40, 8), kWhite);
  EXPECT_EQ(colour_at(image, 8, 40), kWhite);
}

TEST(NanoRender, MirrorsTheFinishedPicture) {
  Placement whole;
  whole.scale = 1;
  whole.is_trimmed = false;
  whole.is_mirrored = true;
  const media::Image image = decoded(corner().render_png(64, whole));
  EXPECT_EQ(colour_at(image, 8, 8), kWhite);
  EXPECT_EQ(colour_at(image, 56, 8), kRed);
}

TEST(NanoRender, DrawsGroupsWithOpacityUnderAMirror) {
  const auto drawing = Drawing::from_svg(
      wrap_svg("<g opacity=\"0.5\"><rect width=\"10\" height=\"10\"/></g>", 10, 10), "group");
  Placement placement;
  placement.is_mirrored = true;
  placement.degrees = 15;
  EXPECT_FALSE(drawing.render_png(32, placement).empty());
}

TEST(NanoRender, PaintsTheBackgroundAndShifts) {
  Placement placement;
  placement.scale = 0.5;
  placement.shift_x = 0.25;
  placement.background = {0, 0, 255};
  const media::Image image = decoded(corner().render_png(64, placement));
  EXPECT_EQ(colour_at(image, 10, 32), (std::vector<int>{0, 0, 255}));
  EXPECT_EQ(colour_at(image, 48, 32), kRed);
}

TEST(NanoRender, MeasuresTheInk) {
  EXPECT_NEAR(corner().coverage(), 0.25, 0.02);
  EXPECT_EQ(Drawing::from_svg(wrap_svg("", 20, 20), "blank").coverage(), 0);
}

TEST(NanoRender, ReadsPicturesAndInk) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("red.png", corner().render_png(32, Placement()));
  EXPECT_GT(Drawing::from_png(path).coverage(), 0.9);
  const std::vector<uint8_t> pixels = {255, 0, 0, 0};
  const auto ink = Drawing::from_ink(pixels, 2, 2);
  EXPECT_GT(ink.coverage(), 0.1);
  EXPECT_LT(ink.coverage(), 0.6);
}

TEST(NanoRender, RefusesWhatIsNoDrawing) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("bad.png", "no picture");
  test::expect_error(ErrorCode::invalid_image, "bad.svg",
                     [] { Drawing::from_svg("<svg", "bad.svg"); });
  test::expect_error(ErrorCode::invalid_image, "expected a PNG", [&] { Drawing::from_png(path); });
}

TEST(NanoRender, RandomPlacementsKeepTheDrawingInside) {
  Random random(3);
  for (int i = 0; i < 500; ++i) {
    const Placement placement = random_placement(random, false);
    EXPECT_GE(placement.scale, 0.55);
    EXPECT_LE(placement.scale / 2 + std::abs(placement.shift_x), 0.5 + 1e-9);
    EXPECT_LE(placement.scale / 2 + std::abs(placement.shift_y), 0.5 + 1e-9);
    EXPECT_LE(std::abs(placement.degrees), 20);
    EXPECT_FALSE(placement.is_mirrored);
  }
}

}  // namespace
}  // namespace vila::data::nano
