// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_merger.h"

#include <cstring>

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include "base/file.h"
#include "base/random.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::text {
namespace {

/// A field of protobuf: number and bytes.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

/// ModelProto.SentencePiece.
std::string piece(const std::string& spelling, float score, char kind) {
  std::string number(sizeof(float), '\0');
  std::memcpy(number.data(), &score, sizeof(float));
  return field(1, field(1, spelling) + "\x15" + number + "\x18" + kind);
}

constexpr char kNormal = 1;
constexpr char kUnknown = 2;
constexpr char kUserDefined = 4;

/// A BPE model without byte fallback whose blank is a piece.
std::string model_of(const std::string& pieces) {
  return piece("<unk>", 0, kUnknown) + piece("\xE2\x96\x81", -9, kNormal) + pieces +
         field(2, "\x18\x02") + field(3, std::string("\x18\x00\x20\x00", 4));
}

class Library {
 public:
  explicit Library(const std::string& model) {
    EXPECT_TRUE(processor_.LoadFromSerializedProto(model).ok());
  }

  std::vector<int> encode(std::string_view text) const {
    std::vector<int> ids;
    EXPECT_TRUE(processor_.Encode(text, &ids).ok());
    return ids;
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

TEST(SentencePieceMerger, JoinsAsTheLibraryWhereScoresAreEqual) {
  // "ab", "bc" and "abc" tie; "abc" can be made in two ways.
  const std::string model =
      model_of(piece("a", -1, kNormal) + piece("b", -2, kNormal) + piece("c", -3, kNormal) +
               piece("bc", -4, kNormal) + piece("ab", -4, kNormal) + piece("abc", -4, kNormal) +
               piece("ca", -0.5F, kNormal));
  const auto merger = SentencePieceMerger::read(model);
  ASSERT_TRUE(merger.has_value());
  const Library library(model);
  Random source(5, 0);
  for (int round = 0; round < 300; ++round) {
    std::string word;
    for (int i = 0; i < 9; ++i)
      word += "abc"[static_cast<size_t>(source.uniform() * 3)];
    std::vector<TokenId> ids;
    ASSERT_TRUE(merger->encode(word, ids));
    ASSERT_EQ(ids, library.encode(word)) << word;
  }
}

TEST(SentencePieceMerger, LeavesUnknownCharactersToTheLibraryWithoutPiecesForBytes) {
  const auto merger = SentencePieceMerger::read(model_of(piece("a", -1, kNormal)));
  ASSERT_TRUE(merger.has_value());
  std::vector<TokenId> ids = {7};
  EXPECT_FALSE(merger->encode("aax", ids));
  EXPECT_FALSE(merger->encode("a\xFF", ids));
  EXPECT_EQ(ids, std::vector<TokenId>{7});
  EXPECT_TRUE(merger->encode(" a", ids));
  EXPECT_EQ(ids, (std::vector<TokenId>{7, 1, 2}));
}

TEST(SentencePieceMerger, IsNoneWherePairsOfIdsAreNotEnough) {
  EXPECT_FALSE(SentencePieceMerger::read(model_of(piece("a", -1, kUserDefined))).has_value());
  EXPECT_FALSE(SentencePieceMerger::read(model_of(piece("ab", -1, kNormal))).has_value())
      << "its characters are no pieces";
}

TEST(SentencePieceMerger, GivesTheIdsOfTheLibraryForWordsOfATrainedModel) {
  const test::TemporaryFolder folder;
  test::write_tiny_tokenizer(folder.path());
  const std::string model =
      read_file(folder / "tokenizer.model") + std::string("\x1A\x02\x18\x00", 4);
  const auto merger = SentencePieceMerger::read(model);
  ASSERT_TRUE(merger.has_value());
  const std::vector<std::string> parts = {"t",  "th", "e", "cat",      "a", "s",
                                          "on", "\n", "1", "\xC3\xA9", "!", "\xF0\x9F\x90\xB1"};
  const Library library(model);
  Random source(12, 0);
  for (int round = 0; round < 1000; ++round) {
    std::string word = " ";
    for (int i = 0; i < 12; ++i)
      word += parts[static_cast<size_t>(source.uniform() * static_cast<double>(parts.size()))];
    std::vector<TokenId> ids;
    ASSERT_TRUE(merger->encode(word, ids));
    ASSERT_EQ(ids, library.encode(word)) << word;
  }
}

}  // namespace
}  // namespace vila::text
