// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::text {
namespace {

class DetokenizerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const test::TemporaryFolder folder;
    test::write_tiny_tokenizer(folder.path());
    tokenizer_ = load_tokenizer(folder.path());
  }

  static void TearDownTestSuite() { tokenizer_.reset(); }

  static std::vector<TokenId> ids_of(std::string_view text) {
    return tokenizer_->encode(text, {.add_bos = false});
  }

  /// Id of the byte piece of this value.
  static TokenId byte_id(unsigned value) {
    for (TokenId id = 0; id < tokenizer_->vocab_size(); ++id) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", value);
      if (tokenizer_->piece(id) == name) return id;
    }
    return -1;
  }

  static inline std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(DetokenizerTest, StreamEqualsTheWhole) {
  const std::string text = "The cat sits on  the mat.\n\n\tA dog 🙂 é 这张图片 ends ";
  Detokenizer detokenizer(*tokenizer_);

  std::string streamed;
  for (const TokenId id : ids_of(text)) {
    const std::string piece = detokenizer.push(id);
    EXPECT_TRUE(is_valid_utf8(piece));
    streamed += piece;
  }
  streamed += detokenizer.finish();

  EXPECT_EQ(streamed, text);
}

TEST_F(DetokenizerTest, HoldsACharacterBackUntilItIsWhole) {
  Detokenizer detokenizer(*tokenizer_);

  EXPECT_EQ(detokenizer.push(byte_id(0xF0)), "");
  EXPECT_EQ(detokenizer.push(byte_id(0x9F)), "");
  EXPECT_EQ(detokenizer.push(byte_id(0x99)), "");
  EXPECT_EQ(detokenizer.push(byte_id(0x82)), "🙂");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST_F(DetokenizerTest, ShowsEveryLostByteAsAReplacementCharacter) {
  Detokenizer detokenizer(*tokenizer_);

  std::string text = detokenizer.push(byte_id(0xE4));
  text += detokenizer.push(byte_id(0xBD));
  text += detokenizer.push(ids_of("a cat").back());
  text += detokenizer.push(byte_id(0xF0));
  text += detokenizer.finish();

  EXPECT_EQ(text, "\uFFFD\uFFFD cat\uFFFD");
}

TEST_F(DetokenizerTest, SkipsSpecialAndUnknownIds) {
  Detokenizer detokenizer(*tokenizer_);

  EXPECT_EQ(detokenizer.push(tokenizer_->bos_id()), "");
  EXPECT_EQ(detokenizer.push(-200), "");
  EXPECT_EQ(detokenizer.push(static_cast<TokenId>(tokenizer_->vocab_size())), "");
  EXPECT_EQ(detokenizer.push(ids_of("cat").front()),
            tokenizer_->decode(std::vector<TokenId>{ids_of("cat").front()}));
}

TEST_F(DetokenizerTest, KeepsBlanksOfALongTextOnceTheWindowMoves) {
  std::string text = "A";
  for (int i = 0; i < 500; ++i)
    text += i % 7 == 0 ? "  the\n" : " cat";
  Detokenizer detokenizer(*tokenizer_);

  std::string streamed;
  for (const TokenId id : ids_of(text))
    streamed += detokenizer.push(id);
  streamed += detokenizer.finish();

  EXPECT_EQ(streamed, text);
}

TEST_F(DetokenizerTest, IsReadyForANewTextAfterFinish) {
  Detokenizer detokenizer(*tokenizer_);
  for (int round = 0; round < 2; ++round) {
    std::string text;
    for (const TokenId id : ids_of("The mat"))
      text += detokenizer.push(id);
    EXPECT_EQ(text + detokenizer.finish(), "The mat");
  }
}

}  // namespace
}  // namespace vila::text
