// SPDX-License-Identifier: Apache-2.0
#include "data/nano/scene.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "media/decode.h"
#include "media/image.h"

namespace vila::data::nano {
namespace {

constexpr int64_t kSide = 96;

media::Image drawn(const Scene& scene) {
  Placement whole;
  whole.scale = 1;
  whole.is_trimmed = false;
  const std::string png = Drawing::from_svg(scene.svg(), "scene").render_png(kSide, whole);
  return media::decode_image(std::as_bytes(std::span(png)), "scene");
}

Colour rgb_of(std::string_view name) {
  const auto found = std::find_if(kSceneColours.begin(), kSceneColours.end(),
                                  [&](const NamedColour& colour) { return colour.name == name; });
  return found->rgb;
}

bool is_colour(const uint8_t* pixel, const Colour& colour) {
  return std::equal(colour.begin(), colour.end(), pixel,
                    [](int a, int b) { return std::abs(a - b) <= 2; });
}

int64_t pixels_of(const media::Image& image, const Colour& colour) {
  int64_t count = 0;
  for (int64_t y = 0; y < kSide; ++y) {
    for (int64_t x = 0; x < kSide; ++x)
      count += is_colour(image.at(x, y), colour);
  }
  return count;
}

Shape shape(std::string_view kind, std::string_view colour, double x, double y) {
  return {kind, colour, x, y, 0.15};
}

TEST(NanoScene, EveryShapeIsWhereTheSceneSaysInItsColour) {
  for (int64_t index = 0; index < 60; ++index) {
    const Scene scene = make_scene(5, index);
    const media::Image image = drawn(scene);
    for (const Shape& item : scene.shapes) {
      const auto x = static_cast<int64_t>(item.x * kSide);
      const auto y = static_cast<int64_t>(item.y * kSide);
      EXPECT_TRUE(is_colour(image.at(x, y), rgb_of(item.colour)))
          << index << ": " << scene.caption();
    }
  }
}

TEST(NanoScene, OnlyTheColoursOfItsShapesAreDrawn) {
  for (int64_t index = 0; index < 60; ++index) {
    const Scene scene = make_scene(5, index);
    const media::Image image = drawn(scene);
    for (const NamedColour& colour : kSceneColours) {
      const bool is_there = scene.count("", colour.name) > 0;
      EXPECT_EQ(pixels_of(image, colour.rgb) > 8, is_there)
          << index << " " << colour.name << ": " << scene.caption();
    }
  }
}

TEST(NanoScene, ShapesNeitherTouchNorLeaveThePicture) {
  for (int64_t index = 0; index < 300; ++index) {
    const Scene scene = make_scene(9, index);
    for (size_t i = 0; i < scene.shapes.size(); ++i) {
      const Shape& a = scene.shapes[i];
      EXPECT_GT(std::min(a.x, a.y) - a.radius, 0);
      EXPECT_LT(std::max(a.x, a.y) + a.radius, 1);
      for (size_t j = 0; j < i; ++j) {
        const Shape& b = scene.shapes[j];
        EXPECT_GT(std::hypot(a.x - b.x, a.y - b.y), a.radius + b.radius);
      }
    }
  }
}

TEST(NanoScene, CaptionsCountAndRelate) {
  Scene scene;
  scene.shapes = {shape("circle", "red", 0.2, 0.5)};
  EXPECT_EQ(scene.caption(), "a medium red circle");
  scene.shapes.push_back(shape("square", "blue", 0.8, 0.5));
  EXPECT_EQ(scene.caption(), "a red circle to the left of a blue square");
  scene.shapes = {shape("star", "green", 0.2, 0.2), shape("star", "green", 0.8, 0.8)};
  EXPECT_EQ(scene.caption(), "two green stars");
  scene.shapes.push_back(shape("heart", "orange", 0.2, 0.8));
  EXPECT_EQ(scene.caption(), "two green stars and an orange heart");
}

TEST(NanoScene, CountsByKindAndColour) {
  Scene scene;
  scene.shapes = {shape("star", "green", 0.2, 0.2), shape("star", "red", 0.8, 0.8),
                  shape("heart", "red", 0.2, 0.8)};
  EXPECT_EQ(scene.count("star", ""), 2);
  EXPECT_EQ(scene.count("", "red"), 2);
  EXPECT_EQ(scene.count("star", "red"), 1);
  EXPECT_EQ(scene.count("circle", "red"), 0);
}

TEST(NanoScene, SidesFollowTheLongerDistance) {
  const Shape middle = shape("star", "red", 0.5, 0.5);
  EXPECT_EQ(side_of(shape("star", "red", 0.1, 0.6), middle), Side::left);
  EXPECT_EQ(side_of(shape("star", "red", 0.9, 0.6), middle), Side::right);
  EXPECT_EQ(side_of(shape("star", "red", 0.4, 0.1), middle), Side::above);
  EXPECT_EQ(side_of(shape("star", "red", 0.4, 0.9), middle), Side::below);
  EXPECT_EQ(side_phrase(Side::left), "to the left of");
}

TEST(NanoScene, DependsOnSeedAndIndexAlone) {
  EXPECT_EQ(make_scene(1, 4).svg(), make_scene(1, 4).svg());
  EXPECT_NE(make_scene(1, 4).svg(), make_scene(1, 5).svg());
  EXPECT_NE(make_scene(1, 4).svg(), make_scene(2, 4).svg());
}

}  // namespace
}  // namespace vila::data::nano
