// SPDX-License-Identifier: Apache-2.0
#include "media/tiling.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "media/resize.h"
#include "support/xz_lines.h"

namespace vila::media {
namespace {

namespace fs = std::filesystem;

const fs::path kGrids =
    fs::path(VILA_SOURCE_DIR) / "../shared/conformance/preprocess/grids.jsonl.xz";

/// Every pixel tells where it is.
Image gradient(int64_t width, int64_t height) {
  Image image(width, height);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.at(x, y)[0] = static_cast<uint8_t>(x);
      image.at(x, y)[1] = static_cast<uint8_t>(y);
    }
  }
  return image;
}

ProcessorConfig dynamic(int64_t size) {
  return {.image_size = size, .mode = ProcessorConfig::Mode::dynamic};
}

TEST(Tiling, ChoosesTheGridsOfTheReference) {
  if (!fs::exists(kGrids)) GTEST_SKIP() << kGrids << " is absent";
  int64_t count = 0;
  for (const std::string& line : test::read_xz_lines(kGrids)) {
    const Json row = parse_json(line, "grids");
    if (row.contains("order")) continue;
    const int64_t min = row.at("min").get<int64_t>();
    const int64_t max = row.at("max").get<int64_t>();
    const Grid grid = closest_grid(row.at("w").get<int64_t>(), row.at("h").get<int64_t>(),
                                   {min, max, row.at("tile").get<int64_t>()});
    EXPECT_EQ(grid.columns, row.at("cols").get<int64_t>()) << line;
    EXPECT_EQ(grid.rows, row.at("rows").get<int64_t>()) << line;
    ++count;
  }
  EXPECT_GT(count, 3000);
}

TEST(Tiling, TriesEveryGridOnceInOrderOfArea) {
  const std::vector<Grid> grids = candidate_grids(1, 12);
  EXPECT_EQ(grids.size(), 35U);
  EXPECT_EQ(candidate_grids(9, 12).size(), 15U);
  for (size_t i = 1; i < grids.size(); ++i) {
    EXPECT_LE(grids[i - 1].columns * grids[i - 1].rows, grids[i].columns * grids[i].rows);
  }
}

TEST(Tiling, CutsTilesRowByRowAndAppendsTheWhole) {
  const TiledPicture picture = tile_picture(gradient(30, 20), dynamic(10));
  ASSERT_EQ(picture.tiles.size(), 7U);
  EXPECT_EQ(picture.tiles[1].pixels, crop(gradient(30, 20), 10, 0, 10, 10).pixels);
  EXPECT_EQ(picture.tiles[3].pixels, crop(gradient(30, 20), 0, 10, 10, 10).pixels);
  EXPECT_EQ(picture.tiles[6].pixels, resize(gradient(30, 20), 10, 10).pixels);
  EXPECT_EQ(picture.block.rows, 0);
}

TEST(Tiling, LeavesASmallSquareInOnePiece) {
  EXPECT_EQ(tile_picture(gradient(10, 10), dynamic(10)).tiles.size(), 1U);
}

TEST(Tiling, DynamicS2HasTheTilesOfEveryScaleAndTheGridOfTheLast) {
  const ProcessorConfig config{
      .image_size = 8, .mode = ProcessorConfig::Mode::dynamic_s2, .sides = {8, 16, 24}};
  const TiledPicture picture = tile_picture(gradient(50, 20), config);
  EXPECT_EQ(picture.block.columns, 5);
  EXPECT_EQ(picture.block.rows, 2);
  ASSERT_EQ(picture.tiles.size(), 1U + 4U + 10U);
  EXPECT_EQ(picture.tiles[0].pixels, resize(gradient(50, 20), 8, 8).pixels);
  EXPECT_EQ(normalise_tiles(picture.tiles, config).shape(), (Shape{15, 3, 8, 8}));
}

TEST(Tiling, OtherModesGiveTheOnePicture) {
  const ProcessorConfig config{.image_size = 8, .mode = ProcessorConfig::Mode::resize};
  const TiledPicture picture = tile_picture(gradient(50, 20), config);
  ASSERT_EQ(picture.tiles.size(), 1U);
  EXPECT_EQ(picture.tiles[0].pixels, resize(gradient(50, 20), 8, 8).pixels);
}

TEST(Tiling, RefusesAnEmptyPicture) {
  EXPECT_THROW(tile_picture(Image(), dynamic(10)), Error);
}

}  // namespace
}  // namespace vila::media
