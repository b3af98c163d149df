// SPDX-License-Identifier: Apache-2.0
#include "cli/seen_media.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/picture_modes.h"
#include "media/decode.h"
#include "support/xz_lines.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

const fs::path kConformance = fs::path(VILA_SOURCE_DIR) / "../shared/conformance";

// What `vila explain --mode` says of every small picture in every mode, against the reference.
TEST(SeenMedia, GridsBoxesAndDigestsAreThoseOfTheReference) {
  if (!fs::exists(kConformance)) GTEST_SKIP() << kConformance << " is absent";
  size_t compared = 0;
  for (const std::string& line :
       test::read_xz_lines(kConformance / "preprocess/preprocess.jsonl.xz")) {
    const Json expected = parse_json(line, "preprocess.jsonl");
    const auto file = expected.at("file").get<std::string>();
    if (expected.contains("error") || file.starts_with("media/")) continue;
    const media::Image image = media::load_image(kConformance / "preprocess" / file);
    for (const auto& [mode, entry] : expected.at("modes").items()) {
      SCOPED_TRACE(file + " " + mode);
      Json row;
      see_picture(image, picture_mode(mode), row);
      EXPECT_EQ(row.at("sha256"), entry.at("u8_sha256"));
      EXPECT_EQ(row.at("tile_sha256"), entry.at("tile_sha256"));
      EXPECT_EQ(row.at("tiles"), entry.at("tiles"));
      for (const char* key : {"boxes", "resizes", "block_size"}) {
        if (!entry.contains(key) || entry.at(key).is_null()) continue;
        EXPECT_EQ(row.at(key), entry.at(key));
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, 49 * 11U);
}

TEST(SeenMedia, APictureThatIsNotTiledHasOneBox) {
  Json row;
  const auto squares = see_picture(media::Image(5, 4), picture_mode("resize-siglip384"), row);
  EXPECT_EQ(squares.size(), 1U);
  EXPECT_EQ(row.at("grid"), Json({1, 1}));
  EXPECT_EQ(row.at("boxes"), Json::array({{0, 0, 384, 384}}));
  EXPECT_FALSE(row.contains("block_size"));
}

}  // namespace
}  // namespace vila::cli
