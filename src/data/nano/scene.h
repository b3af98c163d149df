// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "data/nano/svg_render.h"

namespace vila::data::nano {

/// A colour by its English name.
struct NamedColour {
  std::string_view name;
  Colour rgb;
};

inline constexpr std::array<NamedColour, 11> kSceneColours = {{{"red", {222, 32, 32}},
                                                               {"green", {30, 160, 50}},
                                                               {"blue", {40, 70, 225}},
                                                               {"yellow", {250, 220, 30}},
                                                               {"orange", {250, 140, 20}},
                                                               {"purple", {140, 50, 180}},
                                                               {"black", {15, 15, 15}},
                                                               {"gray", {128, 128, 128}},
                                                               {"brown", {140, 80, 35}},
                                                               {"teal", {20, 140, 140}},
                                                               {"pink", {255, 130, 180}}}};

inline constexpr std::array<std::string_view, 6> kSceneShapes = {"circle",    "square", "triangle",
                                                                 "rectangle", "star",   "heart"};

/// One shape of a scene; lengths in shares of the picture's side, y downwards.
struct Shape {
  std::string_view kind;    ///< of kSceneShapes
  std::string_view colour;  ///< of kSceneColours
  double x = 0;             ///< centre
  double y = 0;
  double radius = 0;  ///< of the circle around it

  /// "small", "medium" or "large" by the radius.
  std::string_view size() const;
  /// "red circle"
  std::string name() const;
};

/// Where one shape lies as seen from another, in a caption's words.
enum class Side { left, right, above, below };

/// A picture of shapes whose places are known exactly, so that its captions are true. A value.
struct Scene {
  std::vector<Shape> shapes;  ///< do not touch each other
  Colour background = {255, 255, 255};

  /// A whole SVG document.
  std::string svg() const;
  /// How many shapes have this kind and colour; "" stands for any.
  int64_t count(std::string_view kind, std::string_view colour) const;
  /// "a red circle to the left of a blue square", "three green stars", …: true of the picture and
  /// naming every shape.
  std::string caption() const;
};

/// The `index`-th scene of a seed: one to five shapes on a light ground.
Scene make_scene(uint64_t seed, int64_t index);

/// Where `a` lies from `b`; decided by the longer of the two distances.
Side side_of(const Shape& a, const Shape& b);

/// "to the left of", "to the right of", "above", "below".
std::string_view side_phrase(Side side);

/// "circle" -> "circles" for a count other than one.
std::string shape_plural(std::string_view kind, int64_t count);

/// Where build_scenes() puts a scene's picture, below the build's folder.
std::string scene_image(int64_t index);

/// Number of scenes that build_scenes() draws.
inline constexpr int64_t kScenes = 16'000;

}  // namespace vila::data::nano
