// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "media/image.h"
#include "media/resize_axis.h"

namespace vila::media {

/// Rows of RGB that a pass reads. A view.
struct RowsView {
  const uint8_t* data;  // the first row
  int64_t row_bytes;
  int64_t rows;
};

/// What stands beside the image: a colour for the horizontal pass, a row for the vertical one.
using Beside = std::span<const uint8_t>;

/// The inner loops of a resize. Every table gives the same bytes: sums are exact in int32.
struct ResizePasses {
  const char* name;
  /// Row y of `out` from row y of `in`: sample x is the sum of run x over the row's pixels, and
  /// colour times `outside`. @pre out is runs x in.rows
  void (*horizontal)(const RowsView& in, const AxisWeights& axis, Beside colour, Image& out);
  /// Row y of `out` is the sum of run y over rows of `in`, which begins with row `first` of the
  /// image, and `blank` times `outside`. @pre out is in's width x runs
  void (*vertical)(const RowsView& in, int64_t first, const AxisWeights& axis, Beside blank,
                   Image& out);
};

/// Plain loops for every processor.
const ResizePasses& plain_passes();

/// Null where this program or processor has none.
const ResizePasses* avx2_passes();

}  // namespace vila::media
