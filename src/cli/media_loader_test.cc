// SPDX-License-Identifier: Apache-2.0
#include "cli/media_loader.h"

#include <gtest/gtest.h>

#include "media/decode.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::cli {
namespace {

class Loader : public testing::Test {
 protected:
  // A folder of frames 0 to `count` - 1, each of one shade.
  std::filesystem::path make_frames(int count) const {
    for (int i = 0; i < count; ++i) {
      const auto shade = static_cast<uint8_t>(10 * i);
      folder_.write("clip/" + std::to_string(i) + ".png",
                    media::encode_png(media::Image(20, 10, {shade, shade, shade})));
    }
    return folder_ / "clip";
  }

  static spec::VilaConfig config(spec::Generation generation) {
    spec::VilaConfig config;
    config.generation = generation;
    config.vision = spec::VisionConfig{};
    config.image_processor = {.image_size = 8, .mode = media::ProcessorConfig::Mode::resize};
    config.num_video_frames = 3;
    return config;
  }

  static std::vector<int> shades(const engine::Video& video) {
    std::vector<int> shades;
    for (const auto& frame : video.frames)
      shades.push_back(frame->pixels.front() / 10);
    return shades;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Loader, TakesTheFramesOfTheGenerationReducedToWhatTheTowerSees) {
  const auto clip = make_frames(9);
  MediaLoader old(config(spec::Generation::vila_1_5));
  MediaLoader nvila(config(spec::Generation::nvila));
  EXPECT_EQ(shades(*old.video(clip)), (std::vector<int>{0, 3, 7}));
  EXPECT_EQ(shades(*nvila.video(clip)), (std::vector<int>{0, 4, 8}));
  EXPECT_EQ(nvila.video(clip)->frames.front()->width, 8);
}

TEST_F(Loader, CountsOfARequestGoBeforeThoseOfTheCommandAndOfTheConfig) {
  const auto clip = make_frames(9);
  MediaLoader loader(config(spec::Generation::nvila), 5);
  EXPECT_EQ(loader.video(clip)->frames.size(), 5U);
  EXPECT_EQ(loader.video(clip, 2)->frames.size(), 2U);
}

TEST_F(Loader, DecodesAVideoOnceWhileSomethingHoldsIt) {
  const auto clip = make_frames(4);
  MediaLoader loader(config(spec::Generation::nvila));
  const auto video = loader.video(clip);
  EXPECT_EQ(loader.video(clip), video);
  EXPECT_NE(loader.video(clip, 2), video);
}

TEST_F(Loader, RefusesAVideoForAModelWithoutTower) {
  MediaLoader loader{spec::VilaConfig{}};
  test::expect_error(ErrorCode::invalid_argument, "no vision tower",
                     [&] { loader.video(make_frames(2)); });
}

}  // namespace
}  // namespace vila::cli
