// SPDX-License-Identifier: Apache-2.0
#include "cli/batch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "media/decode.h"
#include "support/temporary_folder.h"
#include "vila/error.h"

namespace vila::cli {
namespace {

class BatchLine : public testing::Test {
 protected:
  void SetUp() override {
    write_file(folder_.path() / "a.png", media::encode_png(media::Image(3, 2, {1, 2, 3})));
  }

  Question parse(const Json& line) {
    return parse_batch_line(line, options_, folder_.path(), media_);
  }

  test::TemporaryFolder folder_;
  BatchOptions options_;
  MediaLoader media_{seeing_config()};

 private:
  static spec::VilaConfig seeing_config() {
    spec::VilaConfig config;
    config.vision = spec::VisionConfig{};
    return config;
  }
};

TEST_F(BatchLine, FindsPicturesBesideTheBatchFileAndDecodesEachOnce) {
  const Question question =
      parse({{"prompt", "<image> or <image>?"}, {"images", {"a.png", "./a.png"}}});

  ASSERT_EQ(question.images.size(), 2U);
  EXPECT_EQ(question.images[0], question.images[1]);
}

TEST_F(BatchLine, OverridesSamplingSystemAndTemplateUse) {
  options_.sampling.max_tokens = 5;
  options_.system = "Default";

  const Question plain = parse({{"prompt", "Hello"}});
  const Question own = parse({{"prompt", "Hello"}, {"system", "Mine"}, {"max_tokens", 2}});
  const Question raw = parse({{"prompt", "<image> is"}, {"raw", true}, {"images", {"a.png"}}});

  EXPECT_EQ(plain.options.max_tokens, 5);
  EXPECT_EQ(plain.conversation.system, "Default");
  EXPECT_EQ(own.options.max_tokens, 2);
  EXPECT_EQ(own.conversation.system, "Mine");
  EXPECT_TRUE(raw.is_raw);
  EXPECT_EQ(raw.raw, "<image> is");
}

TEST_F(BatchLine, TakesMessagesInPlaceOfAPrompt) {
  const Question question = parse({{"messages", {{{"role", "user"}, {"content", "Hello"}}}}});

  EXPECT_EQ(question.conversation.messages[0].content, "Hello");
}

TEST_F(BatchLine, RefusesBadRequestsOneByOne) {
  EXPECT_THROW(parse(Json::object()), Error);
  EXPECT_THROW(parse({{"prompt", 3}}), Error);
  EXPECT_THROW(parse({{"prompt", "x"}, {"messages", Json::array()}}), Error);
  EXPECT_THROW(parse({{"prompt", "x"}, {"images", "a.png"}}), Error);
  EXPECT_THROW(parse({{"prompt", "x"}, {"images", {"missing.png"}}}), Error);
  EXPECT_THROW(parse({{"prompt", "<image>"}}), Error);
  EXPECT_THROW(parse({{"prompt", "x"}, {"max_tokens", -1}}), Error);
}

TEST(ImageCacheTest, ForgetsPicturesAboveItsCapacityButNotTheLast) {
  test::TemporaryFolder folder;
  for (const char* name : {"a.png", "b.png"}) {
    write_file(folder.path() / name, media::encode_png(media::Image(10, 10)));
  }
  ImageCache cache(300);

  const std::weak_ptr<const media::Image> a = cache.load(folder.path() / "a.png");
  EXPECT_FALSE(a.expired());
  const std::weak_ptr<const media::Image> b = cache.load(folder.path() / "b.png");

  EXPECT_TRUE(a.expired());
  EXPECT_EQ(cache.load(folder.path() / "b.png"), b.lock());
}

}  // namespace
}  // namespace vila::cli
