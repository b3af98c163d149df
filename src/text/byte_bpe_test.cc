// SPDX-License-Identifier: Apache-2.0
#include "text/byte_bpe.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "support/temporary_folder.h"
#include "text/byte_letters.h"
#include "text/detokenizer.h"
#include "vila/error.h"

namespace vila::text {
namespace {

/// A tokenizer of all bytes (ids 0 to 255), "ab" (256), " ab" (257) and two added tokens.
Json small() {
  const ByteLetters letters;
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocabulary[letters.letter(static_cast<uint8_t>(byte))] = byte;
  vocabulary["ab"] = 256;
  vocabulary["\u0120ab"] = 257;
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return {{"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"added_tokens",
           {{{"id", 258}, {"content", "<end>"}, {"special", true}},
            {{"id", 259}, {"content", "<tool>"}, {"special", false}}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocabulary},
            {"merges", {"a b", Json::array({"\u0120", "ab"})}}}}};
}

class ByteBpeTest : public testing::Test {
 protected:
  std::unique_ptr<Tokenizer> load(const ByteBpeOptions& options = {}) {
    write_file(folder_ / "tokenizer.json", json_.dump());
    return load_byte_bpe(folder_ / "tokenizer.json", options);
  }

  void expect_refused(const std::string& part) {
    try {
      load();
      ADD_FAILURE() << "loaded; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_model);
      EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
    }
  }

  test::TemporaryFolder folder_;
  Json json_ = small();
};

using Ids = std::vector<TokenId>;

TEST_F(ByteBpeTest, SplitsWordsAndMergesWithin) {
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->encode("ab ab"), (Ids{256, 257}));
  EXPECT_EQ(tokenizer->encode("a b"), (Ids{'a', ' ', 'b'}));
  EXPECT_EQ(tokenizer->piece(257), "\u0120ab");
  EXPECT_EQ(tokenizer->decode(Ids{256, 257}), "ab ab");
  EXPECT_EQ(tokenizer->vocab_size(), 260);
}

TEST_F(ByteBpeTest, FindsAddedTokensBeforeAnythingElse) {
  const auto tokenizer = load({.bos = {}, .eos = "<end>", .unk = {}, .pad = {}, .added = {}});
  EXPECT_EQ(tokenizer->encode("ab<end><tool>"), (Ids{256, 258, 259}));
  EXPECT_EQ(tokenizer->encode("<tool>ab", {.parse_special = false}), (Ids{259, 256}));
  EXPECT_EQ(tokenizer->encode("<end>", {.parse_special = false}).size(), 5U);
  EXPECT_EQ(tokenizer->eos_id(), 258);
  EXPECT_EQ(tokenizer->bos_id(), -1);
  EXPECT_EQ(tokenizer->token_id("<tool>"), 259);
  EXPECT_TRUE(tokenizer->is_special(258));
  EXPECT_FALSE(tokenizer->is_special(259));
  EXPECT_EQ(tokenizer->decode(Ids{256, 258, 259}), "ab<tool>");
  EXPECT_EQ(tokenizer->decode(Ids{256, 258}, false), "ab<end>");
}

TEST_F(ByteBpeTest, PutsTheTokensOfItsTemplateInFront) {
  json_["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<end>"}}}}, {{"Sequence", {{"id", "A"}}}}}}};
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{258, 256}));
  EXPECT_EQ(tokenizer->encode("ab", {.add_bos = false}), (Ids{256}));
}

TEST_F(ByteBpeTest, KeepsAWholeWordWhereMergesAreIgnored) {
  json_["model"]["ignore_merges"] = true;
  json_["model"]["vocab"]["ba"] = 260;
  EXPECT_EQ(load()->encode("ba"), (Ids{260}));
  json_["model"]["ignore_merges"] = false;
  EXPECT_EQ(load()->encode("ba"), (Ids{'b', 'a'}));
}

TEST_F(ByteBpeTest, SplitsDigitsOneByOne) {
  json_["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Digits"}, {"individual_digits", true}}, json_["pre_tokenizer"]}}};
  json_["model"]["vocab"]["12"] = 260;
  json_["model"]["merges"].push_back("1 2");
  EXPECT_EQ(load()->encode("12"), (Ids{'1', '2'}));
}

TEST_F(ByteBpeTest, ComposesWhereTheFileSaysNfc) {
  json_["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->encode("i\u0308"), (Ids{0xC3, 0xAF}));
  const std::string with_zeros("i\u0308\0\0i\u0308", 8);
  EXPECT_EQ(tokenizer->encode(with_zeros), (Ids{0xC3, 0xAF, 0, 0, 0xC3, 0xAF}));
}

TEST_F(ByteBpeTest, TakesMalformedTextAndStreamsUnfinishedCharacters) {
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->encode("\xFF"), (Ids{0xEF, 0xBF, 0xBD}));
  Detokenizer detokenizer(*tokenizer);
  EXPECT_EQ(detokenizer.push(0xC3), "");
  EXPECT_EQ(detokenizer.push(0xAF), "\u00EF");
  EXPECT_EQ(detokenizer.push(0xE4), "");
  EXPECT_EQ(detokenizer.push(0xB8), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD");
}

TEST_F(ByteBpeTest, NamesWhatIsNoByteLevelBpe) {
  json_["model"]["type"] = "Unigram";
  expect_refused("model.type");
  json_ = small();
  json_["pre_tokenizer"] = {{"type", "Metaspace"}};
  expect_refused("pre_tokenizer");
  json_ = small();
  json_["normalizer"] = {{"type", "Lowercase"}};
  expect_refused("normalizer");
  json_ = small();
  json_["model"]["merges"] = {"a zz"};
  expect_refused("merges");
  json_ = small();
  json_["pre_tokenizer"] = {
      {"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "(a"}}}};
  expect_refused("pre_tokenizer");
  json_ = small();
  json_["model"]["vocab"]["x"] = -5;
  expect_refused("model.vocab");
}

}  // namespace
}  // namespace vila::text
