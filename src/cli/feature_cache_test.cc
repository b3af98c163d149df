// SPDX-License-Identifier: Apache-2.0
#include "cli/feature_cache.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "base/file.h"
#include "engine/engine.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

class Features : public testing::Test {
 protected:
  static media::TiledPicture picture(uint8_t red) {
    return {.tiles = {media::Image(4, 3, {red, 0, 0})}, .block = {0, 0}, .grids = {}};
  }

  static std::vector<Tensor> rows(float value) {
    std::vector<Tensor> rows = {Tensor::zeros(DType::f32, {2, 3}),
                                Tensor::zeros(DType::f32, {1, 3})};
    rows[0].data<float>()[4] = value;
    return rows;
  }

  FeatureCache cache(int64_t max_bytes = 1 << 20, const std::string& tower = "t") const {
    return {folder_ / "f", tower, max_bytes};
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder_ / "f"))
      paths.push_back(entry.path());
    return paths;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Features, AreThereAgainInTheNextRunBitForBit) {
  FeatureCache first = cache();
  const std::string key = first.key(picture(1));
  EXPECT_FALSE(first.load(key));
  first.save(key, rows(0.1F));
  FeatureCache next = cache();
  EXPECT_EQ(next.bytes(), first.bytes());
  const auto found = next.load(next.key(picture(1)));
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].shape(), (Shape{2, 3}));
  EXPECT_EQ((*found)[0].data<float>()[4], 0.1F);
  EXPECT_EQ((*found)[1].shape(), (Shape{1, 3}));
}

TEST_F(Features, AreOfOnePictureAndOneTower) {
  FeatureCache features = cache();
  EXPECT_NE(features.key(picture(1)), features.key(picture(2)));
  EXPECT_NE(features.key(picture(1)), cache(1 << 20, "other").key(picture(1)));
  media::TiledPicture cut = picture(1);
  cut.block = {.columns = 2, .rows = 1};
  EXPECT_NE(features.key(picture(1)), features.key(cut));
}

TEST_F(Features, ThatAreCutOrChangedAreMadeAnew) {
  FeatureCache features = cache();
  const std::string key = features.key(picture(1));
  features.save(key, rows(1));
  const fs::path path = files().at(0);
  const std::string whole = read_file(path);
  for (size_t length = 0; length < whole.size(); ++length) {
    write_file(path, whole.substr(0, length));
    EXPECT_FALSE(features.load(key)) << "cut to " << length;
    EXPECT_FALSE(fs::exists(path));
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] ^= 0x10;
    write_file(path, changed);
    EXPECT_FALSE(features.load(key)) << "changed at " << at;
  }
  features.save(key, rows(1));
  EXPECT_TRUE(features.load(key));
}

TEST_F(Features, NotUsedForLongestGoWhenTheFolderIsFull) {
  FeatureCache probe = cache();
  probe.save(probe.key(picture(9)), rows(0));
  const int64_t one = probe.bytes();
  FeatureCache features = cache(3 * one);
  const auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
  for (int red = 1; red <= 2; ++red) {
    wait();
    features.save(features.key(picture(static_cast<uint8_t>(red))), rows(1));
  }
  wait();
  EXPECT_TRUE(features.load(features.key(picture(9))));
  wait();
  features.save(features.key(picture(3)), rows(3));
  EXPECT_LE(features.bytes(), 3 * one);
  EXPECT_FALSE(features.load(features.key(picture(1))));
  EXPECT_TRUE(features.load(features.key(picture(9))));
  EXPECT_EQ(files().size(), 3U);

  EXPECT_EQ(cache(one).bytes(), one);  // a smaller limit empties what is there
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(Features, ThatCannotBeWrittenAreForgotten) {
  FeatureCache features = cache();
  fs::remove(folder_ / "f");
  features.save(features.key(picture(1)), rows(1));
  EXPECT_FALSE(features.load(features.key(picture(1))));
}

// The same answers with and without, and the tower at rest the second time.
TEST_F(Features, GiveTheEngineTheRowsThatItComputed) {
  test::write_tiny_checkpoint(folder_ / "model", {.config = test::tiny_config()});
  const formats::Checkpoint checkpoint = formats::open_checkpoint(folder_ / "model");
  const auto image =
      std::make_shared<const media::Image>(9, 7, std::array<uint8_t, 3>{200, 30, 10});
  const auto answer = [&](bool is_kept, int64_t& encoded) {
    engine::Engine engine = engine::Engine::load(checkpoint, {.threads = 1});
    engine.context().observer = [&](std::string_view name, const Tensor&) {
      encoded += name == "projector_output" ? 1 : 0;
    };
    if (is_kept) {
      const std::string tower = tower_fingerprint(checkpoint, engine, {});
      EXPECT_EQ(tower.size(), 32U);
      engine.keep_picture_rows(std::make_shared<FeatureCache>(folder_ / "f", tower, 1 << 20));
    }
    engine::Request request;
    request.prompt = "<image> a";
    request.images = {image};
    request.options.temperature = 0;
    request.options.max_tokens = 6;
    request.options.ignore_eos = true;
    request.options.logprobs = 0;
    const engine::Result result = engine.generate(request);
    std::vector<double> logprobs;
    for (const engine::TokenLogprob& token : result.logprobs)
      logprobs.push_back(token.logprob);
    return logprobs;
  };
  int64_t without = 0;
  int64_t first = 0;
  int64_t second = 0;
  const std::vector<double> plain = answer(false, without);
  EXPECT_EQ(answer(true, first), plain);
  EXPECT_EQ(answer(true, second), plain);
  EXPECT_EQ(without, 1);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
}

}  // namespace
}  // namespace vila::cli
