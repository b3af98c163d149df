// SPDX-License-Identifier: Apache-2.0
// Against frames that OpenCV 4.10 gave to the reference's own sampling functions:
// ../shared/conformance/video/README.md says how they were made, and how far another FFmpeg's
// colours may be off (mean absolute difference 2, at most 12).
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "media/resize.h"
#include "media/video.h"
#include "media/video_reader.h"
#include "support/xz_lines.h"

namespace vila::media {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSide = 32;  // of the recorded frames
constexpr double kMeanDifference = 2;
constexpr int kLargestDifference = 12;
constexpr double kMeanTolerance = 1;  // of a channel's mean over a whole frame

Image reduced(const Image& frame) {
  return resize(frame, kSide, kSide, Filter::box);
}

FrameRule rule_of(const Json& row) {
  const auto function = row.at("function").get<std::string>();
  if (function == "serving/server.py") return FrameRule::nvila_server;
  if (function != "opencv_extract_frames") return FrameRule::nvila;
  return row.at("generation") == "M24" ? FrameRule::vila_1_5 : FrameRule::nvila_training;
}

class VideoParity : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(root_)) GTEST_SKIP() << "no ../shared/conformance beside the repository";
    try {
      open_video(path_of("clips/clip_2.mp4"));
    } catch (const Error& error) {
      GTEST_SKIP() << error.message();
    }
    for (const std::string& line : test::read_xz_lines(root_ / "video.jsonl.xz"))
      rows_.push_back(parse_json(line, "video.jsonl"));
    tensors_ = formats::read_safetensors(root_ / "frames32.safetensors").tensors;
  }

  fs::path path_of(const std::string& file) const {
    return file.starts_with("media/") ? root_ / ".." / file : root_ / file;
  }

  /// The recorded frame of that number; undefined where the goldens have none.
  Tensor recorded(const std::string& file, int64_t number) const {
    const auto indices = tensors_.at("index/" + file).values<int32_t>();
    const auto found = std::ranges::find(indices, static_cast<int32_t>(number));
    if (found == indices.end()) return {};
    const int64_t at = found - indices.begin();
    return tensors_.at("frames32/" + file).rows(at, at + 1);
  }

  static void expect_close(const Image& frame, const Tensor& expected) {
    const auto values = expected.values<uint8_t>();
    ASSERT_EQ(values.size(), frame.pixels.size());
    int64_t sum = 0;
    int largest = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const int difference = std::abs(int{values[i]} - int{frame.pixels[i]});
      sum += difference;
      largest = std::max(largest, difference);
    }
    EXPECT_LE(static_cast<double>(sum) / static_cast<double>(values.size()), kMeanDifference);
    EXPECT_LE(largest, kLargestDifference);
  }

  fs::path root_ = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/video";
  std::vector<Json> rows_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

TEST_F(VideoParity, FilesHaveTheFramesAndTheRateThatOpenCvReports) {
  for (const Json& row : rows_) {
    if (row.at("kind") != "file") continue;
    const auto file = row.at("file").get<std::string>();
    SCOPED_TRACE(file);
    const auto reader = open_video(path_of(file));
    EXPECT_EQ(reader->info().frames, row.at("decoded_frames").get<int64_t>());
    EXPECT_NEAR(reader->info().fps, row.at("fps").get<double>(), 1e-9);
  }
}

/// Whether a row is compared by pixels. OpenCV cannot seek in a clip of one frame, so the reference
/// takes it for unreadable; here that frame is shown. Of the larger films one number of frames is
/// enough: frame_picks_test.cc compares the indices of all.
bool is_compared(const Json& row) {
  if (row.at("kind") != "pick" || !row.contains("picked")) return false;
  const auto file = row.at("file").get<std::string>();
  return file != "clips/clip_1.mp4" && (!file.starts_with("media/") || row.at("n") == 8);
}

/// The picks of the goldens that name their frames, by the frames' pixels.
TEST_F(VideoParity, EveryGenerationPicksTheReferencesFrames) {
  int64_t compared = 0;
  for (const Json& row : rows_) {
    if (!is_compared(row)) continue;
    SCOPED_TRACE(row.dump());
    const auto file = row.at("file").get<std::string>();
    const FrameChoice choice{.rule = rule_of(row),
                             .wanted = row.at("n").get<int64_t>(),
                             .sample_fps = row.value("fps", 0.0),
                             .max_fps = row.value("max_fps", 0.0)};
    const std::vector<Image> frames = load_frames(path_of(file), choice, reduced).frames;
    const Json& picked = row.at("picked");
    ASSERT_EQ(frames.size(), picked.size());
    for (size_t i = 0; i < frames.size(); ++i) {
      if (picked[i].is_null()) {
        EXPECT_EQ(frames[i].pixels, Image(kSide, kSide).pixels);
        continue;
      }
      const Tensor expected = recorded(file, picked[i].get<int64_t>());
      ASSERT_TRUE(expected.defined());
      expect_close(frames[i], expected);
    }
    ++compared;
  }
  EXPECT_GT(compared, 90);
  RecordProperty("compared", static_cast<int>(compared));
}

/// Means of whole frames, at full size.
TEST_F(VideoParity, FramesHaveTheMeansThatOpenCvGives) {
  for (const Json& row : rows_) {
    if (row.at("kind") != "frames") continue;
    SCOPED_TRACE(row.at("file"));
    const Json& frames = row.at("frames");
    const auto reader = open_video(path_of(row.at("file").get<std::string>()));
    size_t compared = 0;
    for (int64_t number = 0; reader->advance(); ++number) {
      const auto expected = frames.find(std::to_string(number));
      if (expected == frames.end()) continue;
      const Image frame = reader->frame();
      std::array<double, 3> sum{};
      for (size_t i = 0; i < frame.pixels.size(); ++i)
        sum[i % 3] += frame.pixels[i];
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(sum[c] / static_cast<double>(frame.width * frame.height),
                    expected->at("mean").at(c).get<double>(), kMeanTolerance);
      }
      ++compared;
    }
    EXPECT_EQ(compared, frames.size());
  }
}

}  // namespace
}  // namespace vila::media
