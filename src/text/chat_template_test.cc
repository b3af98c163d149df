// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <filesystem>
#include <map>
#include <optional>

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

/// Our name of a golden row's template: HEAD changed what llama_3 is.
std::string name_of(const Json& row) {
  const auto name = row.at("template").get<std::string>();
  return name == "llama_3" && row.at("generation") == "HEAD" ? "llama_3_eot" : name;
}

RenderedPrompt render_row(const Json& row) {
  const ChatTemplate& chat_template = find_chat_template(name_of(row));
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
  if (!row.contains("stop")) return;
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
    if (row.contains("kind") || row.at("style") == "JINJA") continue;
    SCOPED_TRACE(row.at("template").get<std::string>() + " " + row.at("case").get<std::string>());
    expect_row(row);
    ++count;
  }
  EXPECT_EQ(count, 300 + 340 + 100);
}

/// A golden row of a Jinja template: roles and texts, maybe a system turn first.
std::string render_jinja_row(const char* name, const Json& row) {
  std::vector<Message> messages;
  std::optional<std::string> system;
  for (const Json& turn : row.at("messages")) {
    const auto role = turn.at("role").get<std::string>();
    const auto content = turn.at("content").get<std::string>();
    if (role == "system") {
      system = content;
    } else {
      messages.push_back({role, content});
    }
  }
  return render_chat(find_chat_template(name), messages, system,
                     row.at("add_generation_prompt").get<bool>())
      .text;
}

TEST(ChatTemplate, RendersTheJinjaTemplatesOfTheReference) {
  if (!fs::exists(kGoldens)) GTEST_SKIP() << kGoldens << " is absent";
  const std::map<std::string, const char*> names = {
      {"qwen2.jinja", "qwen2"},
      {"mistral.jinja", "mistral_instruct"},
      {"tokenizer_config of llama3.tar.xz", "llama_3_instruct"},
      {"tokenizer_config of qwen3.tar.xz", "chatml"}};
  int64_t count = 0;
  for (const std::string& line : test::read_xz_lines(kGoldens)) {
    const Json row = parse_json(line, "templates");
    if (row.contains("kind") || row.contains("error")) continue;
    const auto name = names.find(row.at("template").get<std::string>());
    // Qwen3 shows an empty thought before the last answer: no VILA has that.
    const bool has_thought =
        row.at("prompt").get<std::string>().find("<think>") != std::string::npos;
    if (name == names.end() || has_thought) continue;
    SCOPED_TRACE(line);
    EXPECT_EQ(render_jinja_row(name->second, row), row.at("prompt").get<std::string>());
    ++count;
  }
  EXPECT_EQ(count, 3 * 38 + 36);
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

TEST(ChatTemplate, RecognisesJinjaTemplatesByTheirText) {
  const auto name_of_text = [](const char* jinja) { return recognise_chat_template(jinja).name; };
  EXPECT_STREQ(name_of_text("{{'<|im_start|>system\nYou are a helpful assistant<|im_end|>\n'}}"),
               "qwen2");
  EXPECT_STREQ(name_of_text("{{'<|im_start|>' + message['role']}}"), "chatml");
  EXPECT_STREQ(name_of_text("{{'<|start_header_id|>' + message['role']}}"), "llama_3_instruct");
  EXPECT_STREQ(name_of_text("{{ bos_token }}[INST] {{ message['content'] }} [/INST]"),
               "mistral_instruct");
  EXPECT_STREQ(name_of_text("{{'<|im_start|>system\\n' }} You are provided with functions"),
               "chatml");
  try {
    name_of_text("{{'<|im_start|>system\\nYou are a pirate.'}}");
    FAIL() << "recognised";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_model);
    EXPECT_NE(error.message().find("--chat-template"), std::string::npos) << error.message();
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
