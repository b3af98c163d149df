// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"

namespace vila::data::nano {

using Colour = std::array<uint8_t, 3>;

/// How a drawing is put on a square picture.
struct Placement {
  double scale = 0.92;   ///< longest side of the ink as a share of the picture's side
  double shift_x = 0.0;  ///< centre of the drawing off the picture's centre, as a share of the side
  double shift_y = 0.0;
  double degrees = 0.0;      ///< clockwise
  bool is_mirrored = false;  ///< the finished picture, left to right
  bool is_trimmed = true;    ///< measure the ink; false: the whole page counts, margins included
  Colour background = {255, 255, 255};
};

/// A drawing that can be rendered at any size: an SVG document or a picture with transparency.
/// An owner (move-only); one thread at a time.
class Drawing {
 public:
  /// @throws Error{invalid_image} naming `source` when librsvg cannot read it.
  static Drawing from_svg(std::string_view svg, const std::string& source);
  /// @throws Error{invalid_image} when it is no readable PNG.
  static Drawing from_png(const std::filesystem::path& path);
  /// A grey picture, 0 = paper (transparent), 255 = black ink. @pre pixels.size() == width * height
  static Drawing from_ink(std::span<const uint8_t> pixels, int64_t width, int64_t height);

  Drawing(Drawing&&) noexcept;
  Drawing& operator=(Drawing&&) noexcept;
  ~Drawing();

  /// Share of the page that is inked, 0 to 1: an empty drawing gives 0.
  double coverage() const;

  /// PNG bytes, RGB, size x size. @throws Error{invalid_image} when rendering fails.
  std::string render_png(int64_t size, const Placement& placement) const;

 private:
  struct Source;
  explicit Drawing(std::unique_ptr<Source> source);
  std::unique_ptr<Source> source_;
};

/// A whole SVG document around an Iconify body: `viewBox` is 0 0 width height.
std::string wrap_svg(std::string_view body, double width, double height);

/// Random background, scale 0.55 to 1, place, turn of at most 20 degrees, perhaps mirrored.
Placement random_placement(Random& random, bool may_mirror);

}  // namespace vila::data::nano
