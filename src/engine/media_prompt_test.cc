// SPDX-License-Identifier: Apache-2.0
#include "engine/media_prompt.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "spec/prompt.h"
#include "support/expect_error.h"

namespace vila::engine {
namespace {

using ImagePointer = std::shared_ptr<const media::Image>;

ImagePointer picture() {
  return std::make_shared<const media::Image>(4, 4);
}

std::shared_ptr<const Video> video(size_t frames) {
  auto result = std::make_shared<Video>();
  while (result->frames.size() < frames)
    result->frames.push_back(picture());
  return result;
}

spec::VilaConfig nvila(spec::VideoPools pools) {
  spec::VilaConfig config;
  config.generation = spec::Generation::nvila;
  config.vision = spec::VisionConfig{};
  config.video_pools = std::move(pools);
  return config;
}

TEST(MediaPrompt, FramesTakeTheirPlaceAmongThePictures) {
  const Request request{.prompt = "a<image>b<vila/video>c<image>",
                        .images = {picture(), picture()},
                        .videos = {video(2)},
                        .options = {}};
  const MediaPrompt prompt = lay_out_media(request, spec::VilaConfig{});
  EXPECT_EQ(prompt.text, "a<image>b<image>\n<image>\nc<image>");
  const std::vector<ImagePointer> expected = {request.images[0], request.videos[0]->frames[0],
                                              request.videos[0]->frames[1], request.images[1]};
  EXPECT_EQ(prompt.images, expected);
  EXPECT_TRUE(prompt.videos.empty());
  EXPECT_TRUE(prompt.has_frames);
}

TEST(MediaPrompt, AVideoBehindOneTokenStaysWhole) {
  const Request request{
      .prompt = "<vila/video>What?", .images = {}, .videos = {video(8)}, .options = {}};
  const MediaPrompt prompt = lay_out_media(request, nvila({{8, 1, 1}}));
  EXPECT_EQ(prompt.text, request.prompt);
  EXPECT_EQ(prompt.videos.size(), 1U);
  EXPECT_TRUE(prompt.images.empty());
  EXPECT_FALSE(prompt.has_frames);
}

TEST(MediaPrompt, WithoutVideosTheirPlaceholderIsText) {
  const Request request{.prompt = "say <vila/video>", .images = {}, .videos = {}, .options = {}};
  EXPECT_EQ(lay_out_media(request, spec::VilaConfig{}).text, "say <vila/video>");
}

TEST(MediaPrompt, RefusesOtherNumbersOfPlacesThanMedia) {
  Request request{.prompt = "<image>", .images = {}, .videos = {}, .options = {}};
  const auto lay_out = [&] { lay_out_media(request, spec::VilaConfig{}); };
  test::expect_error(ErrorCode::invalid_argument, "1 <image> and 0", lay_out);
  request = {.prompt = "no place", .images = {}, .videos = {video(1)}, .options = {}};
  test::expect_error(ErrorCode::invalid_argument, "found 0 and 1 video", lay_out);
  request = {.prompt = "<vila/video>", .images = {}, .videos = {video(0)}, .options = {}};
  test::expect_error(ErrorCode::invalid_argument, "no frames", lay_out);
}

TEST(MediaPrompt, RowsOfAVideoAreThoseOfItsPoolsWithTheirEnds) {
  const spec::VilaConfig config = nvila({{8, 1, 1}, {4, 2, 2}});
  const int64_t each = config.tokens_per_image();
  const Request request{
      .prompt = "<vila/video><image>", .images = {picture()}, .videos = {video(16)}, .options = {}};
  const std::vector<text::TokenId> ids = {5, spec::kVideoToken, spec::kImageToken};
  const auto rows = least_media_rows(ids, lay_out_media(request, config), config, 1);
  EXPECT_EQ(rows, (std::vector<int64_t>{2 * (each + 1) + 4 * (each / 4 + 1), each + 1}));
}

}  // namespace
}  // namespace vila::engine
