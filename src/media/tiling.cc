// SPDX-License-Identifier: Apache-2.0
#include "media/tiling.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "media/resize.h"

namespace vila::media {
namespace {

/// Resized to the grid's size and cut, row by row.
void append_tiles(const Image& image, const Grid& grid, int64_t tile, TiledPicture& picture) {
  picture.grids.push_back(grid);
  const Image whole = resize(image, grid.columns * tile, grid.rows * tile);
  for (int64_t row = 0; row < grid.rows; ++row) {
    for (int64_t column = 0; column < grid.columns; ++column) {
      picture.tiles.push_back(crop(whole, column * tile, row * tile, tile, tile));
    }
  }
}

TiledPicture tile_dynamic(const Image& image, const ProcessorConfig& config) {
  const GridLimits limits{config.min_tiles, config.max_tiles, config.image_size};
  const Grid grid = closest_grid(image.width, image.height, limits);
  TiledPicture picture;
  append_tiles(image, grid, config.image_size, picture);
  if (picture.tiles.size() > 1) append_tiles(image, {1, 1}, config.image_size, picture);
  return picture;
}

TiledPicture tile_dynamic_s2(const Image& image, const ProcessorConfig& config) {
  VILA_CHECK(!config.sides.empty(), "dynamic S2 without scales");
  TiledPicture picture;
  const int64_t tile = config.sides.front();
  for (size_t i = 0; i + 1 < config.sides.size(); ++i) {
    const int64_t count = config.sides[i] / tile;
    append_tiles(image, {count, count}, tile, picture);
  }
  const int64_t largest = config.sides.back() / tile;
  const int64_t min = largest * largest;
  picture.block =
      closest_grid(image.width, image.height, {min, std::max(min, config.max_tiles), tile});
  append_tiles(image, picture.block, tile, picture);
  return picture;
}

}  // namespace

std::vector<Grid> candidate_grids(int64_t min, int64_t max) {
  std::vector<Grid> grids;
  for (int64_t columns = 1; columns <= max; ++columns) {
    for (int64_t rows = 1; rows <= max / columns; ++rows) {
      if (columns * rows >= min) grids.push_back({columns, rows});
    }
  }
  std::ranges::stable_sort(grids, {}, [](const Grid& grid) { return grid.columns * grid.rows; });
  return grids;
}

Grid closest_grid(int64_t width, int64_t height, const GridLimits& limits) {
  const double shape = static_cast<double>(width) / static_cast<double>(height);
  const double area = static_cast<double>(width) * static_cast<double>(height);
  const double tile_area = static_cast<double>(limits.tile * limits.tile);
  double smallest = std::numeric_limits<double>::infinity();
  Grid best;
  for (const Grid& grid : candidate_grids(limits.min, limits.max)) {
    const double distance =
        std::abs(shape - static_cast<double>(grid.columns) / static_cast<double>(grid.rows));
    const double grid_area = tile_area * static_cast<double>(grid.columns * grid.rows);
    if (distance < smallest || (distance == smallest && area > 0.5 * grid_area)) best = grid;
    smallest = std::min(smallest, distance);
  }
  return best;
}

TiledPicture tile_picture(const Image& image, const ProcessorConfig& config) {
  if (config.mode == ProcessorConfig::Mode::dynamic) return tile_dynamic(image, config);
  if (config.mode == ProcessorConfig::Mode::dynamic_s2) return tile_dynamic_s2(image, config);
  TiledPicture picture;
  picture.tiles.push_back(process_geometry(image, config));
  picture.grids.push_back({1, 1});
  return picture;
}

Tensor normalise_tiles(const std::vector<Image>& tiles, const ProcessorConfig& config) {
  const auto count = static_cast<int64_t>(tiles.size());
  const Tensor pixels = Tensor::empty(DType::f32, {count, 3, config.image_size, config.image_size});
  for (int64_t i = 0; i < count; ++i) {
    const Tensor tile = normalise(tiles[static_cast<size_t>(i)], config);
    std::memcpy(pixels.rows(i, i + 1).raw(), tile.raw(), tile.nbytes());
  }
  return pixels;
}

}  // namespace vila::media
