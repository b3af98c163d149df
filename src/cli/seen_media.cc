// SPDX-License-Identifier: Apache-2.0
#include "cli/seen_media.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "cli/sha256.h"
#include "media/tiling.h"

namespace vila::cli {
namespace {

std::string digest(const std::vector<media::Image>& squares) {
  std::vector<uint8_t> bytes;
  for (const media::Image& square : squares)
    bytes.insert(bytes.end(), square.pixels.begin(), square.pixels.end());
  return sha256_hex(bytes);
}

// The grids that boxes are told of: a small whole picture behind the tiles is not cut.
std::vector<media::Grid> cut_grids(const media::TiledPicture& picture,
                                   media::ProcessorConfig::Mode mode) {
  std::vector<media::Grid> grids = picture.grids;
  if (mode == media::ProcessorConfig::Mode::dynamic && grids.size() > 1) grids.pop_back();
  return grids;
}

Json boxes_of(const std::vector<media::Grid>& grids, int64_t side) {
  Json boxes = Json::array();
  for (const media::Grid& grid : grids) {
    for (int64_t row = 0; row < grid.rows; ++row) {
      for (int64_t column = 0; column < grid.columns; ++column)
        boxes.push_back({column * side, row * side, (column + 1) * side, (row + 1) * side});
    }
  }
  return boxes;
}

}  // namespace

std::vector<media::Image> see_picture(const media::Image& image,
                                      const media::ProcessorConfig& processor, Json& row) {
  media::TiledPicture picture = media::tile_picture(image, processor);
  const std::vector<media::Grid> grids = cut_grids(picture, processor.mode);
  const int64_t side = processor.image_size;
  row = {{"width", image.width},
         {"height", image.height},
         {"image_size", side},
         {"tiles", picture.tiles.size()},
         {"grid", {grids.back().columns, grids.back().rows}},
         {"boxes", boxes_of(grids, side)},
         {"sha256", digest(picture.tiles)},
         {"tile_sha256", Json::array()}};
  for (const media::Image& tile : picture.tiles)
    row["tile_sha256"].push_back(sha256_hex(tile.pixels).substr(0, 16));
  if (processor.is_tiled()) {
    row["resizes"] = Json::array();
    for (const media::Grid& grid : picture.grids) {
      const int64_t width = grid.columns * side;
      const int64_t height = grid.rows * side;
      const bool is_one_tile = width == side && height == side;
      if (!is_one_tile || image.width != side || image.height != side)
        row["resizes"].push_back({image.width, image.height, width, height});
    }
  }
  if (picture.block.rows > 0) row["block_size"] = {picture.block.rows, picture.block.columns};
  return std::move(picture.tiles);
}

std::vector<media::Image> see_video(const std::string& path, const media::FrameChoice& choice,
                                    const media::ProcessorConfig& processor, Json& row) {
  media::VideoFrames video = media::load_frames(path, choice, [&](const media::Image& frame) {
    return media::process_geometry(frame, processor);
  });
  row = {{"frames", video.count},
         {"fps", video.fps},
         {"shown", video.numbers},
         {"image_size", processor.image_size},
         {"sha256", digest(video.frames)}};
  return std::move(video.frames);
}

}  // namespace vila::cli
