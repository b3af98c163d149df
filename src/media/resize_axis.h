// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "media/resize.h"

namespace vila::media {

/// Bits after the point of a weight: leaves room for the sign and overshoot in an int32.
inline constexpr int kPrecisionBits = 32 - 8 - 2;
inline constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

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

/// The weights of a filter along one axis, as Pillow's Resample.c rounds them.
/// @pre filter != Filter::nearest
AxisWeights axis_weights(const Axis& axis, Filter filter);

/// A sum of weighted samples as a sample. @param sum  kHalf added.
inline uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

}  // namespace vila::media
