// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/context.h"

/// What S2 does around a tower (docs/model.md, section 2.3): scales, tiles and maps of features.
namespace vila::model {

/// Pixels [N, 3, S, S] to [N, 3, side, side] as torch's interpolate(mode="bicubic"): 4 taps with
/// a = -0.75, half-pixel centres, edges repeated, no smoothing when shrinking.
Tensor resize_bicubic(ops::Context& ctx, const Tensor& pixels, int64_t side);

/// Pixels [N, 3, k t, k t] to tiles [k k N, 3, t, t]: tile by tile of the grid, row by row, and
/// within each the pictures.
Tensor split_tiles(ops::Context& ctx, const Tensor& pixels, int64_t tile);

/// A grid of tiles and which of a batch they are, row by row.
struct TileGrid {
  int64_t rows = 1;
  int64_t columns = 1;
  std::vector<int64_t> tiles;
};

/// Rows of tiles [B, g g, C] put together to the map [rows g, columns g, C].
Tensor stitch_tiles(ops::Context& ctx, const Tensor& features, const TileGrid& grid);

/// The reverse: a map [rows g, columns g, C] to tiles [rows columns, g g, C].
Tensor cut_map(ops::Context& ctx, const Tensor& map, int64_t side);

/// A map [h, w, C] to [height, width, C]: means over areas, as torch's interpolate(mode="area").
Tensor pool_area(ops::Context& ctx, const Tensor& map, int64_t height, int64_t width);

/// Maps [h, w, C] of one size to [h, w, sum of C].
Tensor stack_channels(ops::Context& ctx, std::span<const Tensor> maps);

/// Side of the square map that `tokens` rows are.
int64_t map_side(int64_t tokens);

}  // namespace vila::model
