// SPDX-License-Identifier: Apache-2.0
// Ids and labels of the reference (NVlabs/VILA at 75214d6) in shared/conformance.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "spec/prompt.h"
#include "spec/splice.h"
#include "support/temporary_folder.h"
#include "support/unpack.h"
#include "support/xz_lines.h"

namespace vila::spec {
namespace {

namespace fs = std::filesystem;
using text::TokenId;

const fs::path kConformance = fs::path(VILA_SOURCE_DIR) / "../shared/conformance";
const fs::path kTiny = kConformance / "reference/vila-7b-tiny";

/// The reference leaves -200 in labels of documents; splicing replaces it by -100.
std::vector<TokenId> without_images(std::vector<TokenId> labels) {
  std::ranges::replace(labels, kImageToken, kIgnoreLabel);
  return labels;
}

std::vector<TokenId> ids_of(const Json& row, const char* key) {
  return row.at(key).get<std::vector<TokenId>>();
}

std::vector<text::Message> messages_of(const Json& turns) {
  std::vector<text::Message> messages;
  for (const Json& turn : turns) {
    messages.push_back(
        {turn.at("from") == "human" ? "user" : "assistant", turn.at("value").get<std::string>()});
  }
  return messages;
}

/// Llama-2's tokenizer with legacy=False, as VILA loads it.
class PromptGolden : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!fs::exists(kConformance)) return;
    const test::TemporaryFolder folder;
    const auto files = test::unpack(kConformance / "tokenizers/llama2.tar.xz");
    write_file(folder / "tokenizer.model", files.at("llama2/tokenizer.model"));
    llama_ = text::load_tokenizer(folder.path());
  }

  static void TearDownTestSuite() { llama_.reset(); }

  void SetUp() override {
    if (!llama_) GTEST_SKIP() << kConformance << " is absent";
  }

  static void expect_labels(const Json& row, const Json& turns) {
    const std::vector<text::Message> messages = messages_of(turns);
    const std::string no_system;
    const bool is_plain = row.at("template") == "plain";
    const LabelledIds sample =
        is_plain ? label_plain(*llama_, messages.at(1).content)
                 : label_conversation(
                       *llama_, text::find_chat_template(row.at("template").get<std::string>()),
                       messages, row.at("no_system_prompt").get<bool>() ? &no_system : nullptr);
    EXPECT_EQ(sample.ids, ids_of(row, "input_ids"));
    EXPECT_EQ(sample.labels, without_images(ids_of(row, "labels")));
  }

  static inline std::unique_ptr<text::Tokenizer> llama_;
};

TEST_F(PromptGolden, PromptsWithPicturesHaveTheReferencesIds) {
  int64_t count = 0;
  for (const std::string& line :
       test::read_xz_lines(kConformance / "prompts/image-tokens.jsonl.xz")) {
    const Json row = parse_json(line, "image-tokens");
    if (row.contains("kind") || row.at("tokenizer") != "llama2-slow") continue;
    const auto prompt = row.at("prompt").get<std::string>();
    EXPECT_EQ(tokenize_prompt(*llama_, prompt), ids_of(row, "ids")) << prompt;
    ++count;
  }
  EXPECT_EQ(count, 98);
}

/// The byte-level BPE of an archive with tokens added as the goldens say.
class BytePromptGolden : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kConformance)) GTEST_SKIP() << kConformance << " is absent";
  }

  /// @param changed  edits the object of tokenizer.json.
  template <typename Change>
  static std::unique_ptr<text::Tokenizer> load(const std::string& name, const Change& changed) {
    const test::TemporaryFolder folder;
    auto files = test::unpack(kConformance / ("tokenizers/" + name + ".tar.xz"));
    Json root = parse_json(files.at(name + "/tokenizer.json"), name);
    changed(root);
    write_file(folder / "tokenizer.json", root.dump());
    write_file(folder / "tokenizer_config.json", files.at(name + "/tokenizer_config.json"));
    return text::load_tokenizer(folder.path());
  }

  static void add_token(Json& root, const std::string& content, int64_t id) {
    root["added_tokens"].push_back({{"id", id}, {"content", content}, {"special", true}});
  }

  static void add_media_tokens(Json& root, int64_t first) {
    for (const char* token : {"<vila/sentinel>", "<image>", "<vila/video>"})
      add_token(root, token, first++);
  }

  /// Qwen's vocabulary with the added tokens of an NVILA.
  static std::unique_ptr<text::Tokenizer> load_nvila() {
    return load("qwen3", [](Json& root) {
      root["added_tokens"] = Json::array();
      int64_t id = 151643;
      for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "[BOS]", "[PAD]"})
        add_token(root, token, id++);
      add_media_tokens(root, id);
    });
  }

  /// Python's str.strip(): the reference takes blanks off every message.
  static std::string stripped(const std::string& text) {
    const size_t begin = text.find_first_not_of(" \t\n");
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
  }

  /// HEAD's ids name media by the tokenizer's ids, ours by kImageToken and kVideoToken.
  static void expect_prompts(const text::Tokenizer& tokenizer, const std::string& name,
                             const std::string& generation) {
    int64_t count = 0;
    for (const std::string& line :
         test::read_xz_lines(kConformance / "prompts/image-tokens.jsonl.xz")) {
      const Json row = parse_json(line, "image-tokens");
      if (row.contains("kind") || row.contains("added") || row.at("tokenizer") != name ||
          row.at("generations").front() != generation) {
        continue;
      }
      const auto prompt = row.at("prompt").get<std::string>();
      EXPECT_EQ(tokenize_prompt(tokenizer, prompt), mark_media(tokenizer, ids_of(row, "ids")))
          << prompt;
      ++count;
    }
    EXPECT_GE(count, 97);
  }
};

TEST_F(BytePromptGolden, NvilaConversationsHaveTheReferencesIds) {
  const auto llama = load("llama3", [](Json& root) { add_media_tokens(root, 128256); });
  const auto nvila = load_nvila();
  const std::map<std::string, const char*> templates = {
      {"llama_3", "llama_3_eot"}, {"hermes-2", "hermes-2"}, {"qwen2.jinja", "qwen2"}};
  int64_t count = 0;
  for (const std::string& line :
       test::read_xz_lines(kConformance / "prompts/image-tokens.jsonl.xz")) {
    const Json row = parse_json(line, "image-tokens");
    if (!row.contains("kind") || row.at("tokenizer") == "llama2-fast") continue;
    SCOPED_TRACE(line);
    const text::Tokenizer& tokenizer = row.at("tokenizer") == "llama3" ? *llama : *nvila;
    std::vector<text::Message> messages;
    for (const Json& text : row.at("messages")) {
      const char* role = messages.size() % 2 == 0 ? "user" : "assistant";
      messages.push_back({role, stripped(text.get<std::string>())});
    }
    std::optional<std::string> system;
    if (row.at("no_system_prompt").get<bool>()) system = "";
    const auto& used = text::find_chat_template(templates.at(row.at("template")));
    const std::string prompt = text::render_chat(used, messages, system, true).text;
    EXPECT_EQ(tokenize_prompt(tokenizer, prompt), mark_media(tokenizer, ids_of(row, "ids")));
    ++count;
  }
  EXPECT_EQ(count, 26 + 52);
}

TEST_F(BytePromptGolden, Vila15WithLlama3HasTheReferencesIds) {
  expect_prompts(*load("llama3", [](Json&) {}), "llama3", "M24");
  const auto with_bos = load("llama3", [](Json& root) {
    root["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<|begin_of_text|>"}}}}, {{"Sequence", {{"id", "A"}}}}}}};
  });
  expect_prompts(*with_bos, "llama3-bos", "M24");
}

TEST_F(BytePromptGolden, Vila15WithQwenHasTheReferencesIds) {
  expect_prompts(*load("qwen3", [](Json&) {}), "qwen3", "M24");
}

TEST_F(BytePromptGolden, NvilaTokenisesThePromptWhole) {
  expect_prompts(*load("llama3", [](Json& root) { add_media_tokens(root, 128256); }), "llama3",
                 "HEAD");
  expect_prompts(*load_nvila(), "nvila-like", "HEAD");
}

TEST_F(PromptGolden, TrainingSamplesHaveTheReferencesIdsAndLabels) {
  int64_t count = 0;
  for (const std::string& line : test::read_xz_lines(kConformance / "prompts/training.jsonl.xz")) {
    const Json row = parse_json(line, "training");
    const auto name = row.at("template").get<std::string>();
    const bool is_known = name == "vicuna_v1" || name == "vicuna_v1_nosys" || name == "llava_v1" ||
                          name == "v1_mmtag" || name == "plain";
    if (row.at("generation") != "F24" || !is_known) continue;
    SCOPED_TRACE(name + " " + row.at("case").get<std::string>());
    const bool is_moved = row.contains("multimodal_messages");
    expect_labels(row, row.at(is_moved ? "multimodal_messages" : "messages"));
    ++count;
  }
  EXPECT_EQ(count, 54 + 3 * 27 + 4);
}

class TinyGolden : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kTiny)) GTEST_SKIP() << kTiny << " is absent";
    tokenizer_ = text::load_tokenizer(kTiny / "checkpoint");
  }

  /// Row of batch.input_ids or batch.labels; pads cut off by the attention mask.
  std::vector<TokenId> batch_row(const char* name, int64_t row) const {
    const auto file = formats::read_safetensors(kTiny / "training/training.safetensors");
    const Tensor values = file.tensors.at(name).rows(row, row + 1);
    const Tensor mask = file.tensors.at("batch.attention_mask").rows(row, row + 1);
    std::vector<TokenId> result;
    for (int64_t i = 0; i < values.numel(); ++i) {
      const auto at = static_cast<size_t>(i);
      if (mask.values<int32_t>()[at] != 0) result.push_back(values.values<int32_t>()[at]);
    }
    return result;
  }

  LabelledIds sample_of(const Json& row) const {
    if (row.at("kind") == "sft") {
      const std::string no_system;
      return label_conversation(*tokenizer_, text::find_chat_template("vicuna_v1"),
                                messages_of(row.at("conversation")), &no_system);
    }
    std::vector<int64_t> sentences;
    for (const Json& image : row.at("image_info")) {
      sentences.push_back(image.at("matched_text_index").get<int64_t>());
    }
    const auto text_list = row.at("text_list").get<std::vector<std::string>>();
    return label_document(*tokenizer_, document_text(text_list, sentences));
  }

  std::unique_ptr<text::Tokenizer> tokenizer_;
};

TEST_F(TinyGolden, PromptsRenderTokeniseAndSpliceAsTheReference) {
  const Json root = read_json_file(kTiny / "inputs/prompt.json", ErrorCode::invalid_data);
  for (const Json& row : root.at("prompts")) {
    const auto prompt = row.at("prompt").get<std::string>();
    SCOPED_TRACE(prompt);
    std::vector<text::Message> messages;
    for (const Json& turn : row.at("messages")) {
      messages.push_back(
          {turn.at("role").get<std::string>(), turn.at("content").get<std::string>()});
    }
    if (row.at("template").is_string()) {
      const auto& chat_template = text::find_chat_template(row.at("template").get<std::string>());
      EXPECT_EQ(text::render_chat(chat_template, messages, std::nullopt, true).text, prompt);
    }
    const std::vector<TokenId> ids = tokenize_prompt(*tokenizer_, prompt);
    EXPECT_EQ(ids, ids_of(row, "input_ids"));
    EXPECT_EQ(splice(ids, std::ssize(row.at("images")), 16, 4096).length,
              row.at("sequence_length").get<int64_t>());
  }
}

TEST_F(TinyGolden, TrainingBatchHasTheReferencesIdsAndLabels) {
  const Json root = read_json_file(kTiny / "training/training.json", ErrorCode::invalid_data);
  int64_t index = 0;
  for (const Json& row : root.at("samples")) {
    const LabelledIds sample = sample_of(row);
    EXPECT_EQ(sample.ids, batch_row("batch.input_ids", index)) << "sample " << index;
    EXPECT_EQ(sample.labels, without_images(batch_row("batch.labels", index))) << index;
    ++index;
  }
  EXPECT_EQ(index, 4);
}

}  // namespace
}  // namespace vila::spec
