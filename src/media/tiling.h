// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "media/image.h"
#include "media/image_processor.h"

namespace vila::media {

/// So many square tiles beside and above one another.
struct Grid {
  int64_t columns = 1;
  int64_t rows = 1;
};

/// How many tiles of side `tile` a picture is cut into: at least `min`, at most `max`.
struct GridLimits {
  int64_t min = 1;
  int64_t max = 12;
  int64_t tile = 448;
};

/// The grid whose shape is closest to the picture's. Of equally close ones the first in ascending
/// order of area, or a larger one when the picture covers more than half of it.
/// Source: find_closest_aspect_ratio of llava/mm_utils.py. @pre min and max admit a grid
Grid closest_grid(int64_t width, int64_t height, const GridLimits& limits);

/// The grids that closest_grid() tries, in its order.
std::vector<Grid> candidate_grids(int64_t min, int64_t max);

/// A picture as the tower sees it: 8-bit tiles of side image_size, and the grid of the last scale
/// of dynamic S2 (0 x 0: none).
struct TiledPicture {
  std::vector<Image> tiles;
  Grid block{0, 0};
  std::vector<Grid> grids;  // the picture was resized to and cut into, one after the other
};

/// Mode::dynamic: tiles row by row and, when there are several, the whole picture as a last one.
/// Mode::dynamic_s2: 1, 4, … tiles of the smaller scales, then those of the closest grid of the
/// largest. Other modes: the one picture of process_geometry().
/// Source: dynamic_preprocess and dynamic_s2_preprocess of llava/mm_utils.py at b760c34.
/// @throws Error{invalid_image} an empty picture.
TiledPicture tile_picture(const Image& image, const ProcessorConfig& config);

/// Normalised tiles [tiles, 3, S, S] f32.
Tensor normalise_tiles(const std::vector<Image>& tiles, const ProcessorConfig& config);

}  // namespace vila::media
