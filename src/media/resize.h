// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "media/image.h"

namespace vila::media {

/// The filters of Image.resize, by the names that Pillow gives them.
enum class Filter { nearest, box, bilinear, hamming, bicubic, lanczos };

/// Image.resize of Pillow <= 12.3, byte for byte: kernel widened when shrinking, horizontal pass
/// then vertical pass, 8-bit rounding after each, fixed-point coefficients.
/// @throws Error{invalid_image} a target side < 1 or > 32768, or an empty image.
Image resize(const Image& image, int64_t width, int64_t height, Filter filter = Filter::bicubic);

/// An image placed on a coloured canvas that is never stored, so that a 20000 x 1 picture costs no
/// 20000 x 20000 square. The image lies inside the canvas. A view.
struct Canvas {
  const Image& image;
  int64_t width;
  int64_t height;
  int64_t left = 0;
  int64_t top = 0;
  std::array<uint8_t, 3> colour = {0, 0, 0};
};

/// A whole target size and the part of it that is wanted.
struct ResizeTarget {
  int64_t full_width;
  int64_t full_height;
  int64_t left;
  int64_t top;
  int64_t width;
  int64_t height;
};

/// What resize() of the whole canvas gives, cut to the wanted part; only that part is computed. Not
/// for Filter::nearest. @pre the part lies inside the full size.
Image resize_part(const Canvas& canvas, const ResizeTarget& target, Filter filter);

struct ResizePasses;

/// The same by given inner loops (media/resize_passes.h): all give the same bytes.
Image resize_part(const Canvas& canvas, const ResizeTarget& target, Filter filter,
                  const ResizePasses& passes);

/// expand2square of llava/mm_utils.py: pasted in the middle of a square of the longer side,
/// offset = floor(difference / 2).
Image pad_to_square(const Image& image, std::array<uint8_t, 3> colour);

/// Part of an image; what lies outside is black.
Image crop(const Image& image, int64_t left, int64_t top, int64_t width, int64_t height);

}  // namespace vila::media
