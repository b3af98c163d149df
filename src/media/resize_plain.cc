// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "media/resize_passes.h"

namespace vila::media {
namespace {

void resample_row(const uint8_t* source, const AxisWeights& axis, Beside colour, uint8_t* target) {
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

void horizontal(const RowsView& in, const AxisWeights& axis, Beside colour, Image& out) {
  for (int64_t y = 0; y < in.rows; ++y)
    resample_row(in.data + y * in.row_bytes, axis, colour, out.at(0, y));
}

void vertical(const RowsView& in, int64_t first, const AxisWeights& axis, Beside blank,
              Image& out) {
  std::vector<int32_t> sums(blank.size());
  uint8_t* target = out.pixels.data();
  for (const AxisWeights::Run& run : axis.runs) {
    for (size_t i = 0; i < sums.size(); ++i)
      sums[i] = kHalf + blank[i] * run.outside;
    const uint8_t* row = in.data + (run.first - first) * in.row_bytes;
    for (const int32_t weight : axis.of(run)) {
      for (size_t i = 0; i < sums.size(); ++i)
        sums[i] += row[i] * weight;
      row += in.row_bytes;
    }
    for (const int32_t sum : sums)
      *target++ = to_byte(sum);
  }
}

}  // namespace

const ResizePasses& plain_passes() {
  static constexpr ResizePasses kPasses = {"plain", horizontal, vertical};
  return kPasses;
}

}  // namespace vila::media
