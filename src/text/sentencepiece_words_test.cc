// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_words.h"

#include <memory>
#include <thread>

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include "base/file.h"
#include "base/random.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::text {
namespace {

constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

/// The tiny model without a prefix, in the library and its vocabulary.
class Words : public testing::Test {
 protected:
  Words() {
    test::write_tiny_tokenizer(folder_.path());
    model_ = read_file(folder_ / "tokenizer.model") + std::string(kNoDummyPrefix);
    words_ = std::make_unique<SentencePieceWords>(model_);
    EXPECT_TRUE(library_.LoadFromSerializedProto(model_).ok());
    for (int id = 0; id < library_.GetPieceSize(); ++id)
      pieces_.push_back(library_.IdToPiece(id));
  }

  std::vector<int> by_library(std::string_view text) const {
    std::vector<int> ids;
    EXPECT_TRUE(library_.Encode(text, &ids).ok());
    return ids;
  }

  std::vector<int> by_words(std::string_view text) const {
    return words_->encode(text, [this](std::string_view word, std::vector<int>& ids) {
      const std::vector<int> own = by_library(word);
      ids.insert(ids.end(), own.begin(), own.end());
    });
  }

  test::TemporaryFolder folder_;
  std::string model_;
  sentencepiece::SentencePieceProcessor library_;
  std::vector<std::string> pieces_;
  std::unique_ptr<SentencePieceWords> words_;
};

TEST_F(Words, AreIndependentInALlamaModel) {
  EXPECT_TRUE(SentencePieceWords::splits_into_words(model_, pieces_));
}

TEST_F(Words, AreNotWhereAPieceReachesOverABlank) {
  pieces_.push_back("of\xE2\x96\x81the");
  EXPECT_FALSE(SentencePieceWords::splits_into_words(model_, pieces_));
}

TEST_F(Words, AreNotWhereTheTextIsChangedFirst) {
  const auto with = [&](std::string_view normaliser) {
    const std::string field = {'\x1A', static_cast<char>(normaliser.size())};
    return SentencePieceWords::splits_into_words(model_ + field + std::string(normaliser), pieces_);
  };
  EXPECT_TRUE(with(std::string_view("\x18\x00", 2)));
  EXPECT_FALSE(with("\x12\x01x")) << "rules";
  EXPECT_FALSE(with("\x18\x01")) << "a prefix";
  EXPECT_FALSE(with("\x20\x01")) << "blanks removed";
  EXPECT_FALSE(SentencePieceWords::splits_into_words("no message", pieces_));
  EXPECT_FALSE(SentencePieceWords::splits_into_words("", pieces_));
}

TEST_F(Words, GiveTheIdsOfTheLibraryForAnyText) {
  const std::vector<std::string> parts = {
      " ",       "  ",   "\xE2\x96\x81", "a",        "the",
      "cat",     "sat",  "\n",           "\xC3\xA9", "\xF0\x9F\x90\xB1",
      "12",      "!",    "\xE2\x96",     "\xFF",     "\t",
      "the cat", "</s>", "<unk>"};
  Random source(11, 0);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const auto length = static_cast<int>(source.uniform() * 30);
    for (int i = 0; i < length; ++i)
      text += parts[static_cast<size_t>(source.uniform() * static_cast<double>(parts.size()))];
    ASSERT_EQ(by_words(text), by_library(text)) << text;
  }
}

TEST_F(Words, MayBeLongerThanWhatIsRemembered) {
  const std::string text = " cat" + std::string(5000, 'a') + " the";
  EXPECT_EQ(by_words(text), by_library(text));
}

TEST_F(Words, AreTheSameFromSeveralThreads) {
  const std::string text = "the cat sat on the mat, and the dog too";
  const std::vector<int> expected = by_library(text);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        EXPECT_EQ(by_words(text), expected);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

}  // namespace
}  // namespace vila::text
