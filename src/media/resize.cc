// SPDX-License-Identifier: Apache-2.0
#include "media/resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "base/error.h"

namespace vila::media {
namespace {

constexpr int64_t kMaxSide = 32768;
constexpr int kPrecisionBits = 32 - 8 - 2;  // room for the sign and overshoot in an int32
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

/// A filter kernel in the arithmetic of Pillow's Resample.c; support is its half width.
struct Kernel {
  double (*weight)(double x);
  double support;
};

double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (0.54 + 0.46 * std::cos(x));
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return {box, 0.5};
    case Filter::bilinear:
      return {bilinear, 1.0};
    case Filter::hamming:
      return {hamming, 1.0};
    case Filter::bicubic:
      return {bicubic, 2.0};
    case Filter::lanczos:
      return {lanczos, 3.0};
    case Filter::nearest:
      break;
  }
  VILA_CHECK(false, "filter without a kernel");
  return {};
}

/// One axis of a resize: the canvas with the image in it, the full output, and what of it is
/// wanted.
struct Axis {
  int64_t canvas;
  int64_t image_begin;
  int64_t image_size;
  int64_t out;
  int64_t out_begin;
  int64_t out_size;
};

/// Which image samples make each output sample of one axis, and how much of each. What the canvas
/// around the image adds is its colour times `outside`.
struct AxisWeights {
  struct Run {
    int64_t first;  // index in the image
    int64_t count;
    size_t offset;    // of the first weight
    int32_t outside;  // sum of the weights beside the image
  };

  std::vector<Run> runs;
  std::vector<int32_t> weights;  // fixed point, kPrecisionBits after the point

  std::span<const int32_t> of(const Run& run) const {
    return {weights.data() + run.offset, static_cast<size_t>(run.count)};
  }
};

int32_t to_fixed(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
}

/// The weights of output `i` for the canvas samples from `first` on, as precompute_coeffs() and
/// normalize_coeffs_8bpc() of Pillow make them.
int64_t canvas_weights(const Axis& axis, const Kernel& kernel, int64_t i,
                       std::vector<double>& weights) {
  const double scale = static_cast<double>(axis.canvas) / static_cast<double>(axis.out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double inverse = 1.0 / filter_scale;
  const double center = (static_cast<double>(i) + 0.5) * scale;
  const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
  const auto last = std::min(static_cast<int64_t>(center + support + 0.5), axis.canvas);
  weights.clear();
  double sum = 0;
  for (int64_t x = first; x < last; ++x) {
    weights.push_back(kernel.weight((static_cast<double>(x) - center + 0.5) * inverse));
    sum += weights.back();
  }
  if (sum != 0.0) {
    for (double& weight : weights)
      weight /= sum;
  }
  return first;
}

AxisWeights axis_weights(const Axis& axis, const Kernel& kernel) {
  AxisWeights result;
  std::vector<double> row;
  for (int64_t i = axis.out_begin; i < axis.out_begin + axis.out_size; ++i) {
    int64_t at = canvas_weights(axis, kernel, i, row) - axis.image_begin;
    AxisWeights::Run run{std::clamp<int64_t>(at, 0, axis.image_size), 0, result.weights.size(), 0};
    for (const double weight : row) {
      if (at >= 0 && at < axis.image_size) {
        result.weights.push_back(to_fixed(weight));
        ++run.count;
      } else {
        run.outside += to_fixed(weight);
      }
      ++at;
    }
    result.runs.push_back(run);
  }
  return result;
}

uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

using Colour = std::array<uint8_t, 3>;

void resample_row(const uint8_t* source, const AxisWeights& axis, const Colour& colour,
                  uint8_t* target) {
  for (const AxisWeights::Run& run : axis.runs) {
    int32_t sum[3];
    for (size_t c = 0; c < 3; ++c)
      sum[c] = kHalf + colour[c] * run.outside;
    const uint8_t* pixel = source + run.first * 3;
    for (const int32_t weight : axis.of(run)) {
      for (int c = 0; c < 3; ++c)
        sum[c] += pixel[c] * weight;
      pixel += 3;
    }
    for (const int32_t value : sum)
      *target++ = to_byte(value);
  }
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

/// Rows [begin, end) of the image after the horizontal pass.
Image horizontal_pass(const Canvas& canvas, const AxisWeights& axis, int64_t begin, int64_t end) {
  Image result(static_cast<int64_t>(axis.runs.size()), end - begin);
  for (int64_t y = begin; y < end; ++y) {
    resample_row(canvas.image.at(0, y), axis, canvas.colour, result.at(0, y - begin));
  }
  return result;
}

/// @param rows   the image's rows from `first_row` on, after the horizontal pass.
/// @param blank  a row of bare canvas after it.
Image vertical_pass(const Image& rows, int64_t first_row, const std::vector<uint8_t>& blank,
                    const AxisWeights& axis) {
  Image result(static_cast<int64_t>(blank.size() / 3), static_cast<int64_t>(axis.runs.size()));
  std::vector<int32_t> sums(blank.size());
  uint8_t* target = result.pixels.data();
  for (const AxisWeights::Run& run : axis.runs) {
    for (size_t i = 0; i < sums.size(); ++i)
      sums[i] = kHalf + blank[i] * run.outside;
    const uint8_t* row = rows.pixels.data() + (run.first - first_row) * rows.width * 3;
    for (const int32_t weight : axis.of(run)) {
      for (size_t i = 0; i < sums.size(); ++i)
        sums[i] += row[i] * weight;
      row += sums.size();
    }
    for (const int32_t sum : sums)
      *target++ = to_byte(sum);
  }
  return result;
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
  const Kernel kernel = kernel_of(filter);
  const AxisWeights columns = axis_weights(
      {canvas.width, canvas.left, canvas.image.width, target.full_width, target.left, target.width},
      kernel);
  const AxisWeights rows = axis_weights({canvas.height, canvas.top, canvas.image.height,
                                         target.full_height, target.top, target.height},
                                        kernel);
  const AxisWeights::Run& last = rows.runs.back();
  const int64_t begin = rows.runs.front().first;
  const Image middle = horizontal_pass(canvas, columns, begin, last.first + last.count);
  return vertical_pass(middle, begin, resampled_blank_row(canvas, columns), rows);
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
