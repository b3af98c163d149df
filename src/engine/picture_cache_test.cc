// SPDX-License-Identifier: Apache-2.0
#include "engine/picture_cache.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/workspace.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"
#include "tensor/compare.h"

namespace vila::engine {
namespace {

class PictureCacheTest : public testing::Test {
 protected:
  PictureCacheTest() : workspace_({.threads = 1}), model_(load()) {
    workspace_.context().observer = [this](std::string_view name, const Tensor& tensor) {
      if (name == "projector_output") encoded_ += tensor.dim(0);
    };
  }

  static model::Vila load() {
    const test::TemporaryFolder folder;
    test::write_tiny_checkpoint(folder.path(), {.config = test::tiny_config()});
    return model::Vila::load(folder.path());
  }

  static PictureCache::ImagePointer image(uint8_t red) {
    return std::make_shared<const media::Image>(8, 9, std::array<uint8_t, 3>{red, 0, 0});
  }

  std::vector<Tensor> encode(PictureCache& cache,
                             const std::vector<PictureCache::ImagePointer>& images) {
    Timings timings;
    return cache.encode({model_, workspace_.context(), images, {}}, timings).media;
  }

  Workspace workspace_;
  model::Vila model_;
  int64_t encoded_ = 0;
};

constexpr size_t kPictureBytes = 16 * 48 * sizeof(float);

TEST_F(PictureCacheTest, GivesRowsInTheOrderOfThePictures) {
  PictureCache cache(1 << 20);
  const auto a = image(10);
  const auto b = image(200);
  const std::vector<Tensor> rows = encode(cache, {a, b, a});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].shape(), (Shape{16, 48}));
  EXPECT_EQ(rows[0].raw(), rows[2].raw());
  EXPECT_GT(compare(rows[0], rows[1]).max_abs, 0);
  EXPECT_EQ(encoded_, 2);
}

TEST_F(PictureCacheTest, EncodesManyInGroupsAsAlone) {
  PictureCache cache(1 << 20);
  std::vector<PictureCache::ImagePointer> images;
  for (int i = 0; i < 35; ++i)
    images.push_back(image(static_cast<uint8_t>(7 * i)));
  const std::vector<Tensor> rows = encode(cache, images);
  for (size_t i = 0; i < images.size(); i += 11) {
    PictureCache fresh(1 << 20);
    EXPECT_EQ(compare(encode(fresh, {images[i]})[0], rows[i]).max_abs, 0);
  }
}

TEST_F(PictureCacheTest, ForgetsTheLongestUnusedBeyondItsBound) {
  PictureCache cache(2 * kPictureBytes);
  const auto a = image(1);
  const auto b = image(2);
  const auto c = image(3);
  encode(cache, {a});
  encode(cache, {b});
  encode(cache, {a});
  encode(cache, {c});  // b goes
  EXPECT_EQ(encoded_, 3);
  encode(cache, {a, c});
  EXPECT_EQ(encoded_, 3);
  encode(cache, {b});
  EXPECT_EQ(encoded_, 4);
}

TEST_F(PictureCacheTest, ServesARequestLargerThanItsBound) {
  PictureCache cache(kPictureBytes);
  EXPECT_EQ(encode(cache, {image(1), image(2), image(3)}).size(), 3U);
}

TEST_F(PictureCacheTest, DoesNotTakeANewPictureForAnOldOneAtTheSameAddress) {
  PictureCache cache(1 << 20);
  for (int i = 0; i < 5; ++i)
    encode(cache, {image(static_cast<uint8_t>(i))});
  EXPECT_EQ(encoded_, 5);
}

/// The tiny model as NVILA-Lite would be: pictures in tiles, frames in up to `frame_tiles` of them,
/// pooled one by one.
model::Vila tiling_model(int64_t frame_tiles) {
  spec::VilaConfig config = test::tiny_config();
  config.image_processor.mode = media::ProcessorConfig::Mode::dynamic;
  config.image_processor.max_tiles = 6;
  config.video_max_tiles = frame_tiles;
  config.video_pools = {{1, 1, 1}};
  formats::Checkpoint checkpoint;
  for (const formats::NamedTensor& item : test::random_parameters({.config = config}))
    checkpoint.tensors.emplace(item.name, item.tensor);
  ThreadPool alone(1);
  return model::Vila(checkpoint, config, alone);
}

TEST_F(PictureCacheTest, CutsFramesIntoAsManyTilesAsTheConfigAllows) {
  const auto frames = std::make_shared<Video>();
  frames->frames = {std::make_shared<const media::Image>(90, 30),
                    std::make_shared<const media::Image>(30, 30)};
  Timings timings;
  const auto rows_with = [&](int64_t tiles) {
    PictureCache cache(1 << 20);
    const model::Vila model = tiling_model(tiles);
    return cache.encode_video({model, workspace_.context(), {}, {}}, frames, timings).dim(0);
  };

  constexpr int64_t kRows = 16;  // of one tile
  EXPECT_EQ(rows_with(1), 2 * kRows) << "not cut";
  EXPECT_EQ(rows_with(3), (3 + 1 + 1) * kRows) << "three beside one another, the whole, a square";
  EXPECT_EQ(rows_with(2), (2 + 1 + 1) * kRows);
}

TEST_F(PictureCacheTest, RefusesANullPicture) {
  PictureCache cache(1 << 20);
  EXPECT_THROW(encode(cache, {nullptr}), Error);
}

}  // namespace
}  // namespace vila::engine
