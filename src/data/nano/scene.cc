// SPDX-License-Identifier: Apache-2.0
#include "data/nano/scene.h"

#include <cmath>
#include <map>
#include <numbers>

#include "base/error.h"
#include "data/nano/phrases.h"
#include "data/nano/text_facts.h"

namespace vila::data::nano {

namespace {

constexpr double kSmall = 0.09;  // radii
constexpr double kMedium = 0.15;
constexpr double kLarge = 0.24;
constexpr double kGap = 0.02;   // between two shapes, and to the border
constexpr double kUnits = 960;  // side of the SVG's page
constexpr int kMostTries = 200;

const NamedColour& colour_of(std::string_view name) {
  for (const NamedColour& colour : kSceneColours) {
    if (colour.name == name) return colour;
  }
  VILA_CHECK(false, "no colour {}", name);
  return kSceneColours[0];
}

std::string polygon(const Shape& shape, const std::vector<std::pair<double, double>>& corners) {
  std::string points;
  for (const auto& [x, y] : corners) {
    points += fmt::format("{:.1f},{:.1f} ", kUnits * (shape.x + shape.radius * x),
                          kUnits * (shape.y + shape.radius * y));
  }
  return "<polygon points=\"" + points + "\"";
}

/// Corners at turns of a circle, every other one at `inner` of the radius.
std::vector<std::pair<double, double>> spikes(int count, double inner) {
  std::vector<std::pair<double, double>> corners;
  for (int i = 0; i < count; ++i) {
    const double angle = std::numbers::pi * (2.0 * i / count - 0.5);
    const double radius = i % 2 == 1 ? inner : 1.0;
    corners.emplace_back(radius * std::cos(angle), radius * std::sin(angle));
  }
  return corners;
}

std::string heart(const Shape& shape) {
  const double r = shape.radius * kUnits;
  return fmt::format(
      "<path transform=\"translate({:.1f} {:.1f}) scale({:.2f})\" d=\"M0 0.9 C-1.3 0 -1 -0.85 -0.5 "
      "-0.8 C-0.2 -0.78 0 -0.5 0 -0.35 C0 -0.5 0.2 -0.78 0.5 -0.8 C1 -0.85 1.3 0 0 0.9 Z\"",
      shape.x * kUnits, shape.y * kUnits, r);
}

std::string element(const Shape& shape) {
  if (shape.kind == "circle") {
    return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"", shape.x * kUnits,
                       shape.y * kUnits, shape.radius * kUnits);
  }
  if (shape.kind == "square") {
    return polygon(shape, {{-0.7, -0.7}, {0.7, -0.7}, {0.7, 0.7}, {-0.7, 0.7}});
  }
  if (shape.kind == "rectangle") {
    return polygon(shape, {{-0.9, -0.43}, {0.9, -0.43}, {0.9, 0.43}, {-0.9, 0.43}});
  }
  if (shape.kind == "triangle") return polygon(shape, spikes(3, 1));
  if (shape.kind == "star") return polygon(shape, spikes(10, 0.45));
  return heart(shape);
}

bool is_free(const Scene& scene, const Shape& shape) {
  for (const Shape& other : scene.shapes) {
    const double distance = std::hypot(shape.x - other.x, shape.y - other.y);
    if (distance < shape.radius + other.radius + kGap) return false;
  }
  return true;
}

/// Puts the shape where there is room, smaller when there is none.
void place(Scene& scene, Shape shape, Random& random) {
  for (int attempt = 0;; ++attempt) {
    if (attempt % kMostTries == kMostTries - 1) shape.radius = kSmall;
    const double room = 1 - 2 * (shape.radius + kGap);
    shape.x = shape.radius + kGap + room * random.uniform();
    shape.y = shape.radius + kGap + room * random.uniform();
    if (is_free(scene, shape)) break;
  }
  scene.shapes.push_back(shape);
}

double random_radius(int64_t shapes, Random& random) {
  constexpr std::array<double, 3> kRadii = {kSmall, kMedium, kLarge};
  const double radius = kRadii[static_cast<size_t>(random.below(shapes <= 2 ? 3 : 2))];
  return radius * (0.92 + 0.16 * random.uniform());
}

Shape random_shape(int64_t shapes, Random& random) {
  Shape shape;
  shape.kind = pick(kSceneShapes, random);
  shape.colour = pick(kSceneColours, random).name;
  shape.radius = random_radius(shapes, random);
  return shape;
}

std::string counted(const std::string& name, int64_t count) {
  if (count == 1) return with_article(name);
  return std::string(number_word(count)) + " " + shape_plural(name, count);
}

}  // namespace

std::string_view Shape::size() const {
  if (radius < (kSmall + kMedium) / 2) return "small";
  return radius < (kMedium + kLarge) / 2 ? "medium" : "large";
}

std::string Shape::name() const {
  return std::string(colour) + " " + std::string(kind);
}

std::string Scene::svg() const {
  std::string body = fmt::format("<rect width=\"{0}\" height=\"{0}\" fill=\"rgb({1},{2},{3})\"/>",
                                 kUnits, background[0], background[1], background[2]);
  for (const Shape& shape : shapes) {
    const Colour& rgb = colour_of(shape.colour).rgb;
    body += element(shape) + fmt::format(" fill=\"rgb({},{},{})\"/>", rgb[0], rgb[1], rgb[2]);
  }
  return wrap_svg(body, kUnits, kUnits);
}

int64_t Scene::count(std::string_view kind, std::string_view colour) const {
  int64_t found = 0;
  for (const Shape& shape : shapes) {
    const bool is_kind = kind.empty() || shape.kind == kind;
    found += is_kind && (colour.empty() || shape.colour == colour);
  }
  return found;
}

std::string Scene::caption() const {
  if (shapes.size() == 1) {
    return with_article(std::string(shapes[0].size()) + " " + shapes[0].name());
  }
  if (shapes.size() == 2 && shapes[0].name() != shapes[1].name()) {
    return with_article(shapes[0].name()) + " " +
           std::string(side_phrase(side_of(shapes[0], shapes[1]))) + " " +
           with_article(shapes[1].name());
  }
  std::vector<std::string> order;
  std::map<std::string, int64_t> counts;
  for (const Shape& shape : shapes) {
    if (counts[shape.name()]++ == 0) order.push_back(shape.name());
  }
  std::vector<std::string> parts;
  for (const std::string& name : order)
    parts.push_back(counted(name, counts[name]));
  return joined(parts);
}

Scene make_scene(uint64_t seed, int64_t index) {
  Random random = random_for(seed, fmt::format("scene {}", index));
  Scene scene;
  for (uint8_t& channel : scene.background)
    channel = static_cast<uint8_t>(225 + random.below(31));
  const int64_t type = random.below(100);
  if (type < 25) {
    place(scene, random_shape(1, random), random);
  } else if (type < 60) {
    for (int i = 0; i < 2; ++i)
      place(scene, random_shape(2, random), random);
  } else if (type < 80) {
    const int64_t count = 2 + random.below(4);
    Shape shape = random_shape(count, random);
    for (int64_t i = 0; i < count; ++i) {
      shape.radius = random_radius(3, random);
      place(scene, shape, random);
    }
  } else {
    const int64_t count = 3 + random.below(3);
    std::vector<Shape> kinds = {random_shape(count, random), random_shape(count, random),
                                random_shape(count, random)};
    for (int64_t i = 0; i < count; ++i) {
      Shape shape = i < 2 ? kinds[static_cast<size_t>(i)] : pick(kinds, random);
      shape.radius = random_radius(count, random);
      place(scene, shape, random);
    }
  }
  return scene;
}

Side side_of(const Shape& a, const Shape& b) {
  const double dx = a.x - b.x;
  const double dy = a.y - b.y;
  if (std::abs(dx) >= std::abs(dy)) return dx < 0 ? Side::left : Side::right;
  return dy < 0 ? Side::above : Side::below;
}

std::string_view side_phrase(Side side) {
  switch (side) {
    case Side::left:
      return "to the left of";
    case Side::right:
      return "to the right of";
    case Side::above:
      return "above";
    case Side::below:
      return "below";
  }
  return "";
}

std::string shape_plural(std::string_view kind, int64_t count) {
  return std::string(kind) + (count == 1 ? "" : "s");
}

std::string scene_image(int64_t index) {
  return fmt::format("images/scenes/{:05}.png", index);
}

}  // namespace vila::data::nano
