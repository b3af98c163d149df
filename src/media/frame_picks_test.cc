// SPDX-License-Identifier: Apache-2.0
#include "media/frame_picks.h"

#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "support/xz_lines.h"

namespace vila::media {
namespace {

namespace fs = std::filesystem;
using Picks = std::vector<int64_t>;

const fs::path kGoldens = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/video/video.jsonl.xz";

FrameRule rule_of(const Json& row) {
  const auto function = row.at("function").get<std::string>();
  if (function == "serving/server.py") return FrameRule::nvila_server;
  if (function != "opencv_extract_frames") return FrameRule::nvila;
  return row.at("generation") == "M24" ? FrameRule::vila_1_5 : FrameRule::nvila_training;
}

TEST(FramePicks, AreThoseOfTheReference) {
  if (!fs::exists(kGoldens)) GTEST_SKIP() << kGoldens << " is absent";
  std::map<std::string, Json> files;
  int64_t compared = 0;
  for (const std::string& line : test::read_xz_lines(kGoldens)) {
    const Json row = parse_json(line, "video");
    if (row.at("kind") == "file") files[row.at("file").get<std::string>()] = row;
    if (row.at("kind") != "pick" || !row.contains("formula") || row.contains("max_fps")) continue;
    const Json& file = files.at(row.at("file").get<std::string>());
    const FrameQuestion question{.count = file.at("frame_count").get<int64_t>(),
                                 .wanted = row.at("n").get<int64_t>(),
                                 .clip_fps = file.at("fps").get<double>(),
                                 .sample_fps = row.value("fps", 0.0)};
    EXPECT_EQ(pick_frames(rule_of(row), question), row.at("formula").get<Picks>()) << line;
    ++compared;
  }
  EXPECT_GT(compared, 100);
}

/// Rows with `max_fps` name no formula: what was returned is compared, but for clips too short for
/// two frames, of which the reference returns a random number of black pictures.
TEST(FramePicks, AtMostSoManyASecondAreThoseOfTheReference) {
  if (!fs::exists(kGoldens)) GTEST_SKIP() << kGoldens << " is absent";
  std::map<std::string, Json> files;
  int64_t compared = 0;
  for (const std::string& line : test::read_xz_lines(kGoldens)) {
    const Json row = parse_json(line, "video");
    if (row.at("kind") == "file") files[row.at("file").get<std::string>()] = row;
    if (row.at("kind") != "pick" || row.value("max_fps", 0.0) == 0 || !row.contains("picked"))
      continue;
    const Json& file = files.at(row.at("file").get<std::string>());
    const FrameQuestion question{.count = file.at("frame_count").get<int64_t>(),
                                 .wanted = row.at("n").get<int64_t>(),
                                 .clip_fps = file.at("fps").get<double>(),
                                 .max_fps = row.at("max_fps").get<double>()};
    EXPECT_EQ(pick_frames(rule_of(row), question), row.at("picked").get<Picks>()) << line;
    ++compared;
  }
  EXPECT_EQ(compared, 20);
}

TEST(FramePicks, AtMostSoManyASecondAreAtLeastTwo) {
  const FrameQuestion question{.count = 12, .wanted = 8, .clip_fps = 24, .max_fps = 1};
  EXPECT_EQ(pick_frames(FrameRule::nvila_training, question), (Picks{0, 11}));
}

TEST(FramePicks, OfAShortClipAreFilledUpAsEachGenerationDoes) {
  const FrameQuestion question{.count = 2, .wanted = 4};
  EXPECT_EQ(pick_frames(FrameRule::vila_1_5, question), (Picks{-1, -1, 0, 1}));
  EXPECT_EQ(pick_frames(FrameRule::nvila_training, question), (Picks{0, 1}));
  EXPECT_EQ(pick_frames(FrameRule::nvila, question), (Picks{0, 0, 1, 1}));
  EXPECT_TRUE(pick_frames(FrameRule::nvila, {.count = 0, .wanted = 4}).empty());
}

TEST(FramePicks, OfExactlyAsManyFramesAreAllOfThem) {
  EXPECT_EQ(pick_frames(FrameRule::vila_1_5, {.count = 3, .wanted = 3}), (Picks{0, 1, 2}));
}

}  // namespace
}  // namespace vila::media
