// SPDX-License-Identifier: Apache-2.0
// Goldens of shared/conformance/tokenizers: Llama-2 by transformers 4.46.3's slow LlamaTokenizer,
// legacy=False ("slow") and legacy=True ("legacy").
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "support/temporary_folder.h"
#include "support/unpack.h"
#include "support/xz_lines.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace vila::text {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/tokenizers";

/// SentencePiece shows each byte that is part of no character as U+FFFD; so does Detokenizer.
std::string shown(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, bool skip_special) {
  std::string text;
  std::string rest = tokenizer.decode(ids, skip_special);
  while (!rest.empty()) {
    size_t length = 1;
    while (length < 4 && length < rest.size() && !is_valid_utf8(rest.substr(0, length)))
      ++length;
    const bool is_character = is_valid_utf8(rest.substr(0, length));
    text += is_character ? rest.substr(0, length) : "\xEF\xBF\xBD";
    rest.erase(0, is_character ? length : 1);
  }
  return text;
}

class Llama2Golden : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!fs::exists(kFolder)) return;
    folder_ = std::make_unique<test::TemporaryFolder>();
    for (const auto& [path, content] : test::unpack(kFolder / "llama2.tar.xz")) {
      if (path.ends_with("tokenizer.model") || path.ends_with("_config.json")) {
        write_file(folder_->path() / fs::path(path).filename(), content);
      }
    }
    for (const std::string& line : test::read_xz_lines(kFolder / "golden-llama2.jsonl.xz")) {
      rows_.push_back(parse_json(line, "golden-llama2"));
    }
  }

  static void TearDownTestSuite() {
    folder_.reset();
    rows_.clear();
  }

  void SetUp() override {
    if (!folder_) GTEST_SKIP() << kFolder << " is absent";
  }

  static void expect_column(const Tokenizer& tokenizer, const std::string& text,
                            const Json& column) {
    const auto ids = column.at("ids").get<std::vector<TokenId>>();
    const auto plain = column.at("ids_no_special").get<std::vector<TokenId>>();
    const auto unparsed = column.contains("ids_unparsed")
                              ? column["ids_unparsed"].get<std::vector<TokenId>>()
                              : plain;
    EXPECT_EQ(tokenizer.encode(text), ids);
    EXPECT_EQ(tokenizer.encode(text, {.add_bos = false}), plain);
    EXPECT_EQ(tokenizer.encode(text, {.add_bos = false, .parse_special = false}), unparsed);
    EXPECT_EQ(shown(tokenizer, ids, false), column.at("decoded").get<std::string>());
    EXPECT_EQ(shown(tokenizer, ids, true), column.at("decoded_skip").get<std::string>());
    EXPECT_EQ(shown(tokenizer, unparsed, false), column.at("decoded_unparsed").get<std::string>());
    std::vector<std::string> pieces;
    for (const TokenId id : plain)
      pieces.push_back(tokenizer.piece(id));
    EXPECT_EQ(pieces, column.at("pieces").get<std::vector<std::string>>());
  }

  static inline std::unique_ptr<test::TemporaryFolder> folder_;
  static inline std::vector<Json> rows_;
};

TEST_F(Llama2Golden, SlowColumnIsEqual) {
  const auto tokenizer = load_tokenizer(folder_->path() / "tokenizer.model");
  int64_t count = 0;
  for (const Json& row : rows_) {
    if (row.at("kind") != "text") continue;
    SCOPED_TRACE(row.at("text").dump());
    expect_column(*tokenizer, row.at("text").get<std::string>(), row.at("slow"));
    ++count;
  }
  EXPECT_GE(count, 600);
}

TEST_F(Llama2Golden, LegacyColumnIsEqual) {
  const auto tokenizer = load_tokenizer(folder_->path());  // its config says "legacy": true
  int64_t count = 0;
  for (const Json& row : rows_) {
    if (row.at("kind") != "text") continue;
    SCOPED_TRACE(row.at("text").dump());
    const Json& column = row.at("legacy").is_string() ? row.at("slow") : row.at("legacy");
    expect_column(*tokenizer, row.at("text").get<std::string>(), column);
    ++count;
  }
  EXPECT_GE(count, 600);
}

TEST_F(Llama2Golden, EveryPrefixDecodesAndTheStreamEqualsTheWhole) {
  const auto tokenizer = load_tokenizer(folder_->path() / "tokenizer.model");
  int64_t count = 0;
  for (const Json& row : rows_) {
    if (row.at("kind") != "incremental") continue;
    SCOPED_TRACE(row.at("text").dump());
    const auto ids = row.at("ids").get<std::vector<TokenId>>();
    Detokenizer detokenizer(*tokenizer);
    std::string streamed;
    for (size_t k = 0; k < ids.size(); ++k) {
      const std::vector<TokenId> prefix(ids.begin(), ids.begin() + static_cast<int64_t>(k) + 1);
      EXPECT_EQ(shown(*tokenizer, prefix, true), row.at("prefix")[k].get<std::string>());
      const std::string piece = detokenizer.push(ids[k]);
      EXPECT_TRUE(is_valid_utf8(piece));
      streamed += piece;
    }
    streamed += detokenizer.finish();
    EXPECT_EQ(streamed, ids.empty() ? "" : row.at("prefix").back().get<std::string>());
    ++count;
  }
  EXPECT_GE(count, 50);
}

}  // namespace
}  // namespace vila::text
