// SPDX-License-Identifier: Apache-2.0
// Goldens of shared/conformance/tokenizers: Llama-3 and Qwen by `tokenizers` 0.20.3.
#include <filesystem>
#include <map>
#include <memory>
#include <span>
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
using Ids = std::vector<TokenId>;

const fs::path kFolder = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/tokenizers";

/// A tokenizer and the lines of its goldens.
struct Golden {
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<std::string> lines;
};

Golden load_golden(const std::string& name) {
  const test::TemporaryFolder folder;
  for (const auto& [path, content] : test::unpack(kFolder / (name + ".tar.xz")))
    write_file(folder / fs::path(path).filename().string(), content);
  return {load_tokenizer(folder.path()),
          test::read_xz_lines(kFolder / ("golden-" + name + ".jsonl.xz"))};
}

/// Loaded once for all tests: the files have 150,000 tokens.
const Golden& golden(const std::string& name) {
  static std::map<std::string, Golden> loaded;
  const auto found = loaded.find(name);
  return found != loaded.end() ? found->second
                               : loaded.emplace(name, load_golden(name)).first->second;
}

class ByteBpeGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!fs::exists(kFolder)) GTEST_SKIP() << kFolder << " is absent";
    tokenizer_ = golden(GetParam()).tokenizer.get();
    lines_ = golden(GetParam()).lines;
  }

  Ids ids_of(const Json& column, const char* key) const { return column.at(key).get<Ids>(); }

  std::string shown(const Ids& ids, bool skip_special) const {
    return replace_invalid_utf8(tokenizer_->decode(ids, skip_special));
  }

  void expect_row(const Json& row) const {
    const auto text = row.at("text").get<std::string>();
    const Json& column = row.at("fast");
    const Ids ids = ids_of(column, "ids");
    const Ids plain = ids_of(column, "ids_no_special");
    const Ids unparsed = column.contains("ids_unparsed") ? ids_of(column, "ids_unparsed") : plain;
    EXPECT_EQ(tokenizer_->encode(text), ids);
    EXPECT_EQ(tokenizer_->encode(text, {.add_bos = false}), plain);
    EXPECT_EQ(tokenizer_->encode(text, {.add_bos = false, .parse_special = false}), unparsed);
    const char* decoded = column.contains("decoded_raw") ? "decoded_raw" : "decoded";
    EXPECT_EQ(shown(ids, false), column.at(decoded).get<std::string>());
    EXPECT_EQ(shown(unparsed, false), column.at("decoded_unparsed").get<std::string>());
    std::vector<std::string> pieces;
    for (const TokenId id : plain)
      pieces.push_back(tokenizer_->piece(id));
    EXPECT_EQ(pieces, column.at("pieces").get<std::vector<std::string>>());
  }

  void expect_stream(const Json& row) const {
    const Ids ids = ids_of(row, "ids");
    Detokenizer detokenizer(*tokenizer_);
    std::string streamed;
    for (size_t k = 0; k < ids.size(); ++k) {
      const Ids prefix(ids.begin(), ids.begin() + static_cast<int64_t>(k) + 1);
      EXPECT_EQ(shown(prefix, true), row.at("prefix")[k].get<std::string>());
      const std::string piece = detokenizer.push(ids[k]);
      EXPECT_TRUE(is_valid_utf8(piece));
      streamed += piece;
    }
    streamed += detokenizer.finish();
    EXPECT_EQ(streamed, ids.empty() ? "" : row.at("prefix").back().get<std::string>());
  }

  const Tokenizer* tokenizer_ = nullptr;
  std::span<const std::string> lines_;
};

TEST_P(ByteBpeGolden, EveryStringHasTheReferencesIdsPiecesAndText) {
  int64_t count = 0;
  for (const std::string& line : lines_) {
    const Json row = parse_json(line, "golden");
    if (row.at("kind") != "text") continue;
    SCOPED_TRACE(row.at("text").dump());
    expect_row(row);
    ++count;
  }
  EXPECT_GE(count, 600);
}

TEST_P(ByteBpeGolden, EveryPrefixDecodesAndTheStreamEqualsTheWhole) {
  int64_t count = 0;
  for (const std::string& line : lines_) {
    const Json row = parse_json(line, "golden");
    if (row.at("kind") != "incremental") continue;
    SCOPED_TRACE(row.at("text").dump());
    expect_stream(row);
    ++count;
  }
  EXPECT_GE(count, 50);
}

INSTANTIATE_TEST_SUITE_P(All, ByteBpeGolden, testing::Values("llama3", "qwen3"),
                         [](const auto& row) { return std::string(row.param); });

}  // namespace
}  // namespace vila::text
