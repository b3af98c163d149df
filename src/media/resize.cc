// SPDX-License-Identifier: Apache-2.0
#include "media/resize.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "media/resize_axis.h"
#include "media/resize_passes.h"

namespace vila::media {
namespace {

constexpr int64_t kMaxSide = 32768;

const ResizePasses& best_passes() {
  const ResizePasses* const passes = avx2_passes();
  return passes != nullptr ? *passes : plain_passes();
}

/// What the horizontal pass makes of a row of bare canvas.
std::vector<uint8_t> resampled_blank_row(const Canvas& canvas, const AxisWeights& axis) {
  std::vector<uint8_t> row;
  for (const AxisWeights::Run& run : axis.runs) {
    int32_t total = run.outside;
    for (const int32_t weight : axis.of(run))
      total += weight;
    for (const uint8_t value : canvas.colour)
      row.push_back(to_byte(kHalf + value * total));
  }
  return row;
}

/// Input index of each output as Pillow's affine transform adds them up; -1: outside.
std::vector<int64_t> nearest_indices(int64_t in, int64_t out) {
  const double step = static_cast<double>(in) / static_cast<double>(out);
  double at = step * 0.5;
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < out; ++i, at += step) {
    const auto index = static_cast<int64_t>(at);
    indices.push_back(index < in ? index : -1);
  }
  return indices;
}

Image resize_nearest(const Image& image, int64_t width, int64_t height) {
  Image result(width, height);
  const std::vector<int64_t> columns = nearest_indices(image.width, width);
  const std::vector<int64_t> rows = nearest_indices(image.height, height);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t from_x = columns[static_cast<size_t>(x)];
      const int64_t from_y = rows[static_cast<size_t>(y)];
      if (from_x >= 0 && from_y >= 0) {
        std::copy_n(image.at(from_x, from_y), 3, result.at(x, y));
      }
    }
  }
  return result;
}

}  // namespace

Image resize_part(const Canvas& canvas, const ResizeTarget& target, Filter filter) {
  return resize_part(canvas, target, filter, best_passes());
}

Image resize_part(const Canvas& canvas, const ResizeTarget& target, Filter filter,
                  const ResizePasses& passes) {
  const AxisWeights columns = axis_weights(
      {canvas.width, canvas.left, canvas.image.width, target.full_width, target.left, target.width},
      filter);
  const AxisWeights rows = axis_weights({canvas.height, canvas.top, canvas.image.height,
                                         target.full_height, target.top, target.height},
                                        filter);
  const AxisWeights::Run& last = rows.runs.back();
  const int64_t begin = rows.runs.front().first;
  const int64_t count = last.first + last.count - begin;
  const RowsView whole{canvas.image.pixels.data() + begin * canvas.image.width * 3,
                       canvas.image.width * 3, count};
  Image middle = Image::unwritten(target.width, count);
  passes.horizontal(whole, columns, canvas.colour, middle);
  const RowsView narrow{middle.pixels.data(), target.width * 3, count};
  Image result = Image::unwritten(target.width, target.height);
  passes.vertical(narrow, begin, rows, resampled_blank_row(canvas, columns), result);
  return result;
}

Image resize(const Image& image, int64_t width, int64_t height, Filter filter) {
  if (image.width < 1 || image.height < 1) {
    fail(ErrorCode::invalid_image, "resize: expected a picture, found {} x {} pixels", image.width,
         image.height);
  }
  if (std::min(width, height) < 1 || std::max(width, height) > kMaxSide) {
    fail(ErrorCode::invalid_image, "resize: expected sides from 1 to {}, found {} x {}", kMaxSide,
         width, height);
  }
  if (width == image.width && height == image.height) return image;
  if (filter == Filter::nearest) return resize_nearest(image, width, height);
  const Canvas canvas{.image = image, .width = image.width, .height = image.height};
  return resize_part(canvas, {width, height, 0, 0, width, height}, filter);
}

Image pad_to_square(const Image& image, std::array<uint8_t, 3> colour) {
  if (image.width == image.height) return image;
  const int64_t side = std::max(image.width, image.height);
  Image result(side, side, colour);
  const int64_t left = (side - image.width) / 2;
  const int64_t top = (side - image.height) / 2;
  for (int64_t y = 0; y < image.height; ++y) {
    std::copy_n(image.at(0, y), image.width * 3, result.at(left, top + y));
  }
  return result;
}

Image crop(const Image& image, int64_t left, int64_t top, int64_t width, int64_t height) {
  Image result(width, height);
  const int64_t x_begin = std::max<int64_t>(left, 0);
  const int64_t x_end = std::min(left + width, image.width);
  const int64_t y_end = std::min(top + height, image.height);
  if (x_begin >= x_end) return result;
  for (int64_t y = std::max<int64_t>(top, 0); y < y_end; ++y) {
    std::copy_n(image.at(x_begin, y), (x_end - x_begin) * 3, result.at(x_begin - left, y - top));
  }
  return result;
}

}  // namespace vila::media
