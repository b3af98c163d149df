// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "support/xz_lines.h"
#include "vila/error.h"

namespace vila::text {
namespace {

namespace fs = std::filesystem;

const fs::path kGoldens =
    fs::path(VILA_SOURCE_DIR) / "../shared/conformance/prompts/templates.jsonl.xz";

const std::vector<Message> kQuestion = {{"user", "Why?"}};

std::string render(const char* name, const std::vector<Message>& messages) {
  return render_chat(find_chat_template(name), messages, std::nullopt, true).text;
}

/// The messages of a golden row; an open slot at the end becomes `has_slot`.
std::vector<Message> messages_of(const Json& row, bool& has_slot) {
  std::vector<Message> messages;
  has_slot = false;
  for (const Json& text : row.at("messages")) {
    const char* role = messages.size() % 2 == 0 ? "user" : "assistant";
    has_slot = text.is_null();
    if (!has_slot) messages.push_back({role, text.get<std::string>()});
  }
  return messages;
}

RenderedPrompt render_row(const Json& row) {
  const ChatTemplate& chat_template = find_chat_template(row.at("template").get<std::string>());
  bool has_slot = false;
  std::vector<Message> messages = messages_of(row, has_slot);
  if (row.at("tuple_first").get<bool>()) messages = put_picture_first(chat_template, messages);
  return render_chat(chat_template, messages, row.at("system").get<std::string>(), has_slot);
}

void expect_row(const Json& row) {
  if (row.contains("error")) {
    EXPECT_THROW(render_row(row), Error);
    return;
  }
  const RenderedPrompt prompt = render_row(row);
  EXPECT_EQ(prompt.text, row.at("prompt").get<std::string>());
  auto stop = row.at("stop").get<std::vector<std::string>>();
  // The reference's stop string of mistral is empty and stops after one token; the end of an answer
  // is meant.
  if (row.at("template") == "mistral") stop = {"</s>"};
  EXPECT_EQ(prompt.stop, stop);
}

TEST(ChatTemplate, RendersTheGoldensOfTheReference) {
  if (!fs::exists(kGoldens)) GTEST_SKIP() << kGoldens << " is absent";
  int64_t count = 0;
  for (const std::string& line : test::read_xz_lines(kGoldens)) {
    const Json row = parse_json(line, "templates");
    if (row.contains("kind") || row.at("generation") != "F24") continue;
    SCOPED_TRACE(row.at("template").get<std::string>() + " " + row.at("case").get<std::string>());
    expect_row(row);
    ++count;
  }
  EXPECT_EQ(count, 300);
}

TEST(ChatTemplate, RowsHaveTheReferencesSystemTexts) {
  if (!fs::exists(kGoldens)) GTEST_SKIP() << kGoldens << " is absent";
  for (const std::string& line : test::read_xz_lines(kGoldens)) {
    const Json row = parse_json(line, "templates");
    if (row.contains("kind") || row.at("generation") != "F24" || row.at("case") != "text1")
      continue;
    const ChatTemplate& found = find_chat_template(row.at("template").get<std::string>());
    EXPECT_EQ(found.system, row.at("system").get<std::string>()) << found.name;
  }
}

TEST(ChatTemplate, VicunaEndsWithAnOpenAnswer) {
  const std::string text = render("vicuna_v1", kQuestion);

  EXPECT_TRUE(text.starts_with("A chat between a curious user and an artificial"));
  EXPECT_TRUE(text.ends_with("user's questions. USER: Why? ASSISTANT:"));
}

TEST(ChatTemplate, FinishedAnswersEndWithTheSecondSeparator) {
  const std::vector<Message> messages = {{"user", "a"}, {"assistant", "b"}, {"user", "c"}};

  EXPECT_EQ(render("vicuna_v1_nosys", messages), " USER: a ASSISTANT: b</s>USER: c ASSISTANT:");
}

TEST(ChatTemplate, AnsweredConversationGetsNoOpenSlot) {
  const std::vector<Message> messages = {{"user", "a"}, {"assistant", "b"}};

  EXPECT_EQ(render("vicuna_v1_nosys", messages), " USER: a ASSISTANT: b</s>");
}

TEST(ChatTemplate, SystemTextCanBeReplaced) {
  const ChatTemplate& row = find_chat_template("v1");

  EXPECT_EQ(render_chat(row, kQuestion, "Be brief.", true).text, "Be brief. USER: Why? ASSISTANT:");
}

TEST(ChatTemplate, AliasesNameTheSameRow) {
  EXPECT_EQ(&find_chat_template("v1"), &find_chat_template("vicuna_v1"));
  EXPECT_EQ(&find_chat_template("v0"), &find_chat_template("default"));
  EXPECT_EQ(&find_chat_template("v0_plain"), &find_chat_template("plain"));
}

TEST(ChatTemplate, UnknownNameListsTheKnownOnes) {
  try {
    find_chat_template("vicuna_v9");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find("vicuna_v1, v1, vicuna_v1_nosys"), std::string::npos);
  }
}

TEST(ChatTemplate, RefusesRolesThatDoNotAlternate) {
  const ChatTemplate& row = find_chat_template("v1");
  const std::vector<Message> twice = {{"user", "a"}, {"user", "b"}};
  const std::vector<Message> answer_first = {{"assistant", "a"}};

  EXPECT_THROW(render_chat(row, twice, std::nullopt, true), Error);
  EXPECT_THROW(render_chat(row, answer_first, std::nullopt, true), Error);
}

TEST(ChatTemplate, StopsAtTheEndOfAnAnswer) {
  const auto stop = [](const char* name) {
    return render_chat(find_chat_template(name), kQuestion, std::nullopt, true).stop.at(0);
  };

  EXPECT_EQ(stop("vicuna_v1"), "</s>");
  EXPECT_EQ(stop("mistral"), "</s>");
  EXPECT_EQ(stop("v0"), "###");
  EXPECT_EQ(stop("mpt"), "<|im_end|>");
}

}  // namespace
}  // namespace vila::text
