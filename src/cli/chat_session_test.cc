// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_session.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "media/decode.h"
#include "support/temporary_folder.h"
#include "vila/error.h"

namespace vila::cli {
namespace {

class Session : public testing::Test {
 protected:
  std::filesystem::path make_picture(const std::string& name) {
    const auto path = folder_.path() / name;
    write_file(path, media::encode_png(media::Image(3, 2, {1, 2, 3})));
    return path;
  }

  test::TemporaryFolder folder_;

  // A model of Feb 2024 with a tower: place_media() puts a newline behind each picture.
  static std::shared_ptr<MediaLoader> loader() {
    spec::VilaConfig config;
    config.vision = spec::VisionConfig{};
    return std::make_shared<MediaLoader>(config);
  }

  ChatSession session_{loader(), engine::GenerateOptions{}, std::nullopt};
};

TEST_F(Session, PutsAPendingPictureIntoTheNextMessageOnly) {
  session_.add_image(make_picture("a.png"));

  const Question first = session_.ask("What is this?");
  session_.answer("A cat.");
  const Question second = session_.ask("Really?");

  EXPECT_EQ(first.conversation.messages[0].content, "<image>\nWhat is this?");
  EXPECT_EQ(second.conversation.messages[2].content, "Really?");
  EXPECT_EQ(second.images.size(), 1U);
}

TEST_F(Session, WithdrawsAQuestionThatFailedButKeepsItsPicture) {
  session_.add_image(make_picture("a.png"));
  session_.ask("What?");

  session_.withdraw();
  const Question again = session_.ask("What?");

  ASSERT_EQ(again.conversation.messages.size(), 1U);
  EXPECT_EQ(again.conversation.messages[0].content, "<image>\nWhat?");
}

TEST_F(Session, ReadsBackWhatItSaved) {
  session_.add_image(make_picture("a.png"));
  session_.set("top_k", "9");
  session_.ask("What?");
  session_.answer("That.");
  session_.save(folder_.path() / "chat.json");

  ChatSession loaded(loader(), {}, std::nullopt);
  loaded.load(folder_.path() / "chat.json");
  const Question next = loaded.ask("More?");

  EXPECT_EQ(next.conversation.messages.size(), 3U);
  EXPECT_EQ(next.conversation.messages[2].content, "More?");
  EXPECT_EQ(next.images.size(), 1U);
  EXPECT_EQ(next.options.top_k, 9);
}

TEST_F(Session, StaysAsItWasWhenAFileCannotBeLoaded) {
  session_.ask("What?");
  session_.answer("That.");
  write_file(folder_.path() / "bad.json",
             R"({"messages": [{"role": "user", "content": "<image>"}], "images": []})");

  EXPECT_THROW(session_.load(folder_.path() / "bad.json"), Error);
  EXPECT_THROW(session_.load(folder_.path() / "missing.json"), Error);

  EXPECT_EQ(session_.ask("More?").conversation.messages.size(), 3U);
}

TEST_F(Session, ForgetsTurnsAndPictures) {
  session_.add_image(make_picture("a.png"));
  session_.clear();

  const Question question = session_.ask("Hello");

  EXPECT_TRUE(question.images.empty());
  EXPECT_EQ(question.conversation.messages[0].content, "Hello");
}

TEST_F(Session, NamesTheOptionsWhenOneIsUnknown) {
  try {
    session_.set("temprature", "1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("temperature"), std::string::npos);
  }
  EXPECT_THROW(session_.set("top_p", "2"), Error);
  EXPECT_NE(session_.show().find("\"top_p\":1.0"), std::string::npos);
}

}  // namespace
}  // namespace vila::cli
