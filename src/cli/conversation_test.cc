// SPDX-License-Identifier: Apache-2.0
#include "cli/conversation.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "vila/error.h"

namespace vila::cli {
namespace {

TEST(Conversation, ReadsASystemMessageOnlyInFront) {
  const Json messages = {{{"role", "system"}, {"content", "Be short."}},
                         {{"role", "user"}, {"content", "Hello"}}};

  const Conversation conversation = parse_messages(messages, "test");

  EXPECT_EQ(conversation.system, "Be short.");
  ASSERT_EQ(conversation.messages.size(), 1U);
  EXPECT_EQ(conversation.messages[0].content, "Hello");
  EXPECT_EQ(messages_json(conversation), messages);
}

TEST(Conversation, RefusesWhatIsNoConversation) {
  EXPECT_THROW(parse_messages(Json(), "test"), Error);
  EXPECT_THROW(parse_messages(Json::array(), "test"), Error);
  EXPECT_THROW(parse_messages({"Hello"}, "test"), Error);
  EXPECT_THROW(parse_messages({{{"role", "robot"}, {"content", "x"}}}, "test"), Error);
  EXPECT_THROW(parse_messages({{{"role", "user"}}}, "test"), Error);
}

// Of VILA and VILA1.5.
constexpr spec::PromptRule kLines{};

TEST(Conversation, PutsPicturesInFrontOfTheFirstMessageWhereNoneIsNamed) {
  Conversation conversation{{}, {{"user", "Which?"}, {"assistant", "This."}, {"user", "Why?"}}};

  place_media(conversation, {.images = 2}, kLines);

  EXPECT_EQ(conversation.messages[0].content, "<image>\n<image>\nWhich?");
  EXPECT_EQ(conversation.messages[2].content, "Why?");
}

TEST(Conversation, LeavesPicturesWhereTheyAreNamed) {
  Conversation conversation{
      {}, {{"user", "<image> is a cat."}, {"assistant", "Yes"}, {"user", "and <image>?"}}};

  place_media(conversation, {.images = 2}, kLines);

  EXPECT_EQ(conversation.messages[2].content, "and <image>?");
}

TEST(Conversation, EveryMessageOfNvilaIsStripped) {
  Conversation conversation{{}, {{"user", " Which? "}, {"assistant", " This.\n"}}};

  place_media(conversation, {.images = 1, .videos = 1}, {.image_end = "", .trims = true});

  EXPECT_EQ(conversation.messages[0].content, "<image><vila/video> Which?");
  EXPECT_EQ(conversation.messages[1].content, "This.");
}

TEST(Conversation, MediaOfOneKindMayBeNamedAndOfTheOtherNot) {
  Conversation conversation{{}, {{"user", "See"}, {"assistant", "Yes"}, {"user", "<image>?"}}};

  place_media(conversation, {.images = 1, .videos = 1}, kLines);

  EXPECT_EQ(conversation.messages[0].content, "<vila/video>See");
  EXPECT_EQ(conversation.messages[2].content, "<image>?");
}

TEST(Conversation, GivesBothNumbersWhenPlaceholdersAndPicturesDiffer) {
  Conversation conversation{{}, {{"user", "<image><image><image>"}}};

  try {
    place_media(conversation, {.images = 2}, kLines);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find('3'), std::string::npos);
    EXPECT_NE(error.message().find('2'), std::string::npos);
  }
}

}  // namespace
}  // namespace vila::cli
