// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"
#include "vila/error.h"

namespace vila::text {
namespace {

class TokenizerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const test::TemporaryFolder folder;
    test::write_tiny_tokenizer(folder.path());
    model_ = read_file(folder / "tokenizer.model");
  }

  void SetUp() override { write("tokenizer.model", model_); }

  void write(const char* name, const std::string& content) { write_file(folder_ / name, content); }

  std::unique_ptr<Tokenizer> load() const { return load_tokenizer(folder_.path()); }

  /// The error of loading the folder; its code and a part of its message are checked.
  void expect_refused(ErrorCode code, const std::string& part) const {
    try {
      load();
      ADD_FAILURE() << "loaded; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.message();
      EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
    }
  }

  test::TemporaryFolder folder_;
  static inline std::string model_;
};

TEST_F(TokenizerTest, TextComesBackFromItsIds) {
  const auto tokenizer = load();
  for (const char* text :
       {"The cat sits on the mat.", "  two  blanks ", "\n\ttab", "🙂 é", "a</b>"}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST_F(TokenizerTest, PutsBosInFrontWhenAsked) {
  const auto tokenizer = load();

  const auto with = tokenizer->encode("cat");
  const auto without = tokenizer->encode("cat", {.add_bos = false});

  EXPECT_EQ(with.front(), 1);
  EXPECT_EQ(std::vector<TokenId>(with.begin() + 1, with.end()), without);
  EXPECT_EQ(tokenizer->encode(""), std::vector<TokenId>{1});
  EXPECT_TRUE(tokenizer->encode("", {.add_bos = false}).empty());
}

TEST_F(TokenizerTest, SpecialTokensInTextAreParsedOnlyWhenAsked) {
  const auto tokenizer = load();

  const auto parsed = tokenizer->encode("</s>", {.add_bos = false});
  const auto spelled = tokenizer->encode("</s>", {.add_bos = false, .parse_special = false});

  EXPECT_EQ(parsed, std::vector<TokenId>{tokenizer->eos_id()});
  EXPECT_GT(spelled.size(), 1u);
  EXPECT_EQ(tokenizer->decode(spelled, false), "</s>");
}

TEST_F(TokenizerTest, WithoutConfigItHasLlamasSpecialTokensAndPadIsUnk) {
  const auto tokenizer = load();

  EXPECT_EQ(tokenizer->unk_id(), 0);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_EQ(tokenizer->pad_id(), 0);
  EXPECT_TRUE(tokenizer->is_special(2));
  EXPECT_FALSE(tokenizer->is_special(300));
  EXPECT_EQ(tokenizer->vocab_size(), 380);
  EXPECT_EQ(tokenizer->piece(-1), "");
  EXPECT_EQ(tokenizer->piece(380), "");
}

TEST_F(TokenizerTest, NoBlankIsAddedAfterASpecialTokenUnlessLegacy) {
  const auto modern = load();
  write("tokenizer_config.json", R"({"legacy": true})");
  const auto legacy = load();

  const auto modern_ids = modern->encode("</s>cat", {.add_bos = false});
  const auto legacy_ids = legacy->encode("</s>cat", {.add_bos = false});

  EXPECT_FALSE(modern->piece(modern_ids[1]).starts_with("▁"));
  EXPECT_TRUE(legacy->piece(legacy_ids[1]).starts_with("▁"));
}

TEST_F(TokenizerTest, ReadsItsConfig) {
  write("tokenizer_config.json",
        R"({"add_bos_token": false, "legacy": null, "bos_token": {"content": "</s>"},
            "pad_token": "<pad>", "tokenizer_class": "LlamaTokenizer",
            "added_tokens_decoder": {"380": {"content": "<pad>", "special": true},
                                     "381": {"content": "<box>", "special": false}}})");
  const auto tokenizer = load();

  EXPECT_EQ(tokenizer->encode("<pad><box>"), (std::vector<TokenId>{380, 381}));
  EXPECT_EQ(tokenizer->bos_id(), 2);
  EXPECT_EQ(tokenizer->pad_id(), 380);
  EXPECT_EQ(tokenizer->vocab_size(), 382);
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{380, 381}), "<box>");
}

TEST_F(TokenizerTest, ConfigWinsOverTheSpecialTokensMap) {
  write("special_tokens_map.json", R"({"eos_token": "<s>", "bos_token": "</s>"})");
  write("tokenizer_config.json", R"({"eos_token": "<unk>"})");
  const auto tokenizer = load();

  EXPECT_EQ(tokenizer->eos_id(), 0);
  EXPECT_EQ(tokenizer->bos_id(), 2);
}

TEST_F(TokenizerTest, TextThatIsNoUtf8BecomesReplacementCharacters) {
  const auto tokenizer = load();
  const std::string text("\xFF a\0b\xE4\xBD", 7);

  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), std::string("\uFFFD a\0b\uFFFD\uFFFD", 13));
}

TEST_F(TokenizerTest, MissingFilesAreNamed) {
  std::filesystem::remove(folder_ / "tokenizer.model");

  expect_refused(ErrorCode::not_found, "tokenizer.model");
  EXPECT_THROW(load_tokenizer(folder_ / "none"), Error);
}

TEST_F(TokenizerTest, DamagedModelsAreRefused) {
  write("tokenizer.model", "");
  expect_refused(ErrorCode::invalid_model, "tokenizer.model");
  write("tokenizer.model", std::string(1000, '\xFF'));
  expect_refused(ErrorCode::invalid_model, "SentencePiece");
  for (const size_t size : {size_t{1}, size_t{2}, model_.size() / 3, model_.size() - 1}) {
    write("tokenizer.model", model_.substr(0, size));
    expect_refused(ErrorCode::invalid_model, "tokenizer.model");
  }
}

TEST_F(TokenizerTest, WrongConfigsAreRefused) {
  const auto expect = [this](const char* config, const char* part) {
    write("tokenizer_config.json", config);
    expect_refused(ErrorCode::invalid_model, part);
  };

  expect("{", "tokenizer_config.json");
  expect("[]", "expected a JSON object");
  expect(R"({"legacy": 1})", "\"legacy\": expected true or false, found 1");
  expect(R"({"bos_token": 3})", "\"bos_token\"");
  expect(R"({"added_tokens_decoder": []})", "\"added_tokens_decoder\"");
  expect(R"({"added_tokens_decoder": {"x": {"content": "a"}}})", "token ids");
  expect(R"({"added_tokens_decoder": {"-4": {"content": "a"}}})", "token ids");
  expect(R"({"added_tokens_decoder": {"4": {}}})", "a token");
  expect(R"({"added_tokens_decoder": {"99999999999": {"content": "a"}}})", "token ids");
  expect(R"({"tokenizer_class": "T5Tokenizer"})", "LlamaTokenizer");
  expect(R"({"add_eos_token": true})", "add_eos_token");
  expect(std::string(100, '[').c_str(), "nested deeper");
}

}  // namespace
}  // namespace vila::text
