// SPDX-License-Identifier: Apache-2.0
#include "media/video.h"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "media/decode.h"
#include "media/video_reader.h"
#include "support/avi_builder.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::media {
namespace {

using Colour = std::array<uint8_t, 3>;

// Frame i of the test videos.
Colour colour_of(int64_t i) {
  return {static_cast<uint8_t>(10 + i), static_cast<uint8_t>(200 - i), static_cast<uint8_t>(3 * i)};
}

std::string avi_of(int64_t frames) {
  std::vector<Colour> colours;
  for (int64_t i = 0; i < frames; ++i)
    colours.push_back(colour_of(i));
  return test::build_avi({.width = 16, .height = 8, .fps = 5, .colours = colours});
}

// Numbers of the frames by their colours, -1 for a black one, -2 for none of them.
std::vector<int64_t> numbers_of(const std::vector<Image>& frames) {
  std::vector<int64_t> numbers;
  for (const Image& frame : frames) {
    int64_t number = -2;
    for (int64_t i = 0; i < 64; ++i) {
      const Colour colour = colour_of(i);
      if (frame.pixels == Image(16, 8, colour).pixels) number = i;
    }
    if (frame.pixels == Image(16, 8).pixels) number = -1;
    numbers.push_back(number);
  }
  return numbers;
}

Image whole(const Image& frame) {
  return frame;
}

class Video : public testing::Test {
 protected:
  void SetUp() override {
    try {
      open_video(write("probe.avi", avi_of(1)));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::failed) GTEST_SKIP() << error.message();
      throw;
    }
  }

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    return folder_.write(name, bytes);
  }

  std::vector<int64_t> numbers(const std::string& bytes, const FrameChoice& choice) const {
    const VideoFrames video = load_frames(write("clip.avi", bytes), choice, whole);
    EXPECT_EQ(numbers_of(video.frames), video.numbers);
    return video.numbers;
  }

  void expect_refused(const std::string& bytes) const {
    test::expect_error(ErrorCode::invalid_image, "clip.avi",
                       [&] { load_frames(write("clip.avi", bytes), {}, whole); });
  }

  test::TemporaryFolder folder_;
};

using Numbers = std::vector<int64_t>;

TEST_F(Video, ChosenFramesAreDecodedExactly) {
  const std::string clip = avi_of(20);
  EXPECT_EQ(numbers(clip, {.rule = FrameRule::vila_1_5, .wanted = 4}), (Numbers{0, 6, 12, 18}));
  EXPECT_EQ(numbers(clip, {.rule = FrameRule::nvila, .wanted = 4}), (Numbers{0, 6, 13, 19}));
  EXPECT_EQ(numbers(clip, {.rule = FrameRule::nvila, .wanted = 3, .sample_fps = 1}),
            (Numbers{0, 5, 10}));
  EXPECT_EQ(numbers(clip, {.rule = FrameRule::nvila_training, .wanted = 8, .max_fps = 1}),
            (Numbers{0, 6, 12, 19}));
}

TEST_F(Video, WhatTheFileSaysOfItself) {
  const auto reader = open_video(write("clip.avi", avi_of(7)));
  EXPECT_EQ(reader->info().frames, 7);
  EXPECT_DOUBLE_EQ(reader->info().fps, 5);
}

TEST_F(Video, OfAPartOnlyItsFramesAreShown) {
  const std::string clip = avi_of(20);  // four seconds
  const auto part = [&](double begin, double end) {
    return numbers(clip, {.rule = FrameRule::nvila, .wanted = 3, .part = {begin, end}});
  };
  EXPECT_EQ(part(1, 3), (Numbers{5, 10, 15}));
  EXPECT_EQ(part(2, 0), (Numbers{10, 14, 19}));
  EXPECT_EQ(part(3.4, 99), (Numbers{17, 18, 19}));
  EXPECT_EQ(part(1, 0.5), (Numbers{5, 5, 5})) << "an end before the start";
  EXPECT_EQ(part(50, 60), (Numbers{19, 19, 19})) << "behind the end of the video";
  EXPECT_EQ(numbers(clip, {.rule = FrameRule::vila_1_5, .wanted = 4, .part = {1, 1.2}}),
            (Numbers{-1, -1, 5, 6}));
}

TEST_F(Video, ShortOnesAreFilledUpAsEachGenerationDoes) {
  const std::string clip = avi_of(2);
  EXPECT_EQ(numbers(clip, {.rule = FrameRule::vila_1_5, .wanted = 4}), (Numbers{-1, -1, 0, 1}));
  EXPECT_EQ(numbers(clip, {.rule = FrameRule::nvila, .wanted = 4}), (Numbers{0, 0, 1, 1}));
  EXPECT_EQ(numbers(avi_of(1), {.rule = FrameRule::nvila, .wanted = 3}), (Numbers{0, 0, 0}));
}

TEST_F(Video, EachFrameIsReducedOnceAndAtOnce) {
  int64_t calls = 0;
  const auto frames = load_frames(write("clip.avi", avi_of(2)), {.wanted = 6}, [&](const Image&) {
    ++calls;
    return Image(1, 1);
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(frames.frames.size(), 6U);
  EXPECT_EQ(frames.count, 2);
  EXPECT_DOUBLE_EQ(frames.fps, 5);
}

TEST_F(Video, OfACutFileTheFramesThatThereAreCount) {
  const std::string clip = avi_of(20);
  const std::string half = clip.substr(0, clip.size() / 2);
  const Numbers picks = numbers(half, {.rule = FrameRule::nvila, .wanted = 3});
  ASSERT_EQ(picks.size(), 3U);
  EXPECT_EQ(picks.front(), 0);
  EXPECT_GE(picks.back(), 7);
  EXPECT_LE(picks.back(), 10);
}

TEST_F(Video, EveryCutIsAnErrorOrAnAnswer) {
  const std::string clip = avi_of(3);
  for (size_t length = 0; length < clip.size(); length += 7) {
    try {
      EXPECT_EQ(numbers(clip.substr(0, length), {.wanted = 2}).size(), 2U);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_image) << length << ": " << error.message();
    }
  }
}

TEST_F(Video, WhatIsNoVideoIsRefused) {
  expect_refused("");
  expect_refused("no video at all, only words");
  expect_refused(avi_of(0));
  // A playlist would open other files.
  expect_refused("#EXTM3U\n#EXTINF:1,\nprobe.avi\n#EXT-X-ENDLIST\n");
  expect_refused("ffconcat version 1.0\nfile probe.avi\n");
}

TEST_F(Video, AMissingFileIsSaid) {
  test::expect_error(ErrorCode::not_found, "absent.mp4",
                     [&] { load_frames(folder_ / "absent.mp4", {}, whole); });
}

TEST_F(Video, TooLargeFramesAreRefusedBeforeTheyAreDecoded) {
  EXPECT_THROW(open_video(write("clip.avi", avi_of(2)), {.max_side = 8}), Error);
}

TEST(VideoFolder, PicturesInTheOrderOfTheirNamesAreFrames) {
  const test::TemporaryFolder folder;
  for (int64_t i = 0; i < 9; ++i) {
    folder.write("frame-" + std::to_string(i) + ".png", encode_png(Image(16, 8, colour_of(i))));
  }
  const FrameChoice choice{.rule = FrameRule::nvila, .wanted = 3, .sample_fps = 2};
  EXPECT_EQ(numbers_of(load_frames(folder.path(), choice, whole).frames), (Numbers{0, 4, 8}));
}

TEST(VideoFolder, AnEmptyOneIsRefused) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(load_frames(folder.path(), {}, whole), Error);
}

}  // namespace
}  // namespace vila::media
