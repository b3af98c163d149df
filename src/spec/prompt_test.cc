// SPDX-License-Identifier: Apache-2.0
#include "spec/prompt.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"
#include "vila/error.h"

namespace vila::spec {
namespace {

using text::TokenId;

class PromptTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const test::TemporaryFolder folder;
    test::write_tiny_tokenizer(folder.path());
    tokenizer_ = text::load_tokenizer(folder.path());
  }

  static void TearDownTestSuite() { tokenizer_.reset(); }

  /// Text of the ids that carry loss.
  static std::string learned(const LabelledIds& sample) {
    std::vector<TokenId> ids;
    std::ranges::copy_if(sample.labels, std::back_inserter(ids),
                         [](TokenId label) { return label != kIgnoreLabel; });
    return tokenizer_->decode(ids, false);
  }

  static bool has_loss(const LabelledIds& sample) {
    return std::ranges::any_of(sample.labels, [](TokenId id) { return id != kIgnoreLabel; });
  }

  static LabelledIds label(const std::vector<text::Message>& messages) {
    return label_conversation(*tokenizer_, text::find_chat_template("vicuna_v1"), messages);
  }

  static inline std::unique_ptr<text::Tokenizer> tokenizer_;
};

TEST_F(PromptTest, EachChunkIsTokenisedAloneAndOneBosRemains) {
  const std::vector<TokenId> ids = tokenize_prompt(*tokenizer_, "A<image>B");

  const auto first = tokenizer_->encode("A");
  const auto second = tokenizer_->encode("B", {.add_bos = false});
  std::vector<TokenId> expected = first;
  expected.push_back(kImageToken);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(ids, expected);
}

TEST_F(PromptTest, PicturesAtBothEndsAndSideBySideKeepTheirPlaces) {
  EXPECT_EQ(tokenize_prompt(*tokenizer_, "<image><image>"),
            (std::vector<TokenId>{1, kImageToken, kImageToken}));
  EXPECT_EQ(tokenize_prompt(*tokenizer_, ""), std::vector<TokenId>{1});
}

TEST_F(PromptTest, CountsPlaceholders) {
  EXPECT_EQ(count_images(""), 0);
  EXPECT_EQ(count_images("<image>a<image><image>"), 3);
  EXPECT_EQ(count_images("<Image> < image>"), 0);
}

TEST_F(PromptTest, CountsPlacesOfBothKinds) {
  EXPECT_EQ(count_media("<vila/video><image> and <image>"), (MediaCount{2, 1}));
}

// Of VILA and VILA1.5.
const PromptRule kLines{};
const PromptRule kNvila{.image_end = "", .trims = true};

TEST_F(PromptTest, MediaWithoutPlaceholderGoToTheFront) {
  EXPECT_EQ(place_media("Why?", {2, 0}, kLines), "<image>\n<image>\nWhy?");
  EXPECT_EQ(place_media(" Why?", {0, 0}, kLines), " Why?");
  EXPECT_EQ(place_media("See <image>.", {1, 0}, kLines), "See <image>.");
  EXPECT_EQ(place_media("Why?", {1, 1}, kLines), "<image>\n<vila/video>Why?");
  EXPECT_EQ(place_media("<image> moves?", {1, 1}, kLines), "<vila/video><image> moves?");
}

TEST_F(PromptTest, NvilaPutsNoNewlineBehindAPictureAndStripsTexts) {
  EXPECT_EQ(place_media("Why? ", {2, 0}, kNvila), "<image><image>Why?");
  EXPECT_EQ(place_media("\n<image>\nWhy?", {1, 0}, kNvila), "<image>\nWhy?");
  EXPECT_EQ(place_media("  text ", {0, 0}, kNvila), "text");
}

TEST_F(PromptTest, AVideoWithoutTokenIsAPictureForEachFrame) {
  const std::vector<int64_t> frames = {2, 1};
  EXPECT_EQ(spread_videos("<vila/video>a<vila/video>b", frames, kLines),
            "<image>\n<image>\na<image>\nb");
  EXPECT_EQ(spread_videos("<vila/video>a<vila/video>b", frames, kNvila), "<image><image>a<image>b");
  EXPECT_THROW(spread_videos("<vila/video>", frames, kLines), Error);
}

TEST(PromptRules, FollowTheGenerationAndTheEncoderOfVideos) {
  VilaConfig config;
  for (const Generation old : {Generation::vila_2024_02, Generation::vila_1_5}) {
    config.generation = old;
    EXPECT_EQ(prompt_rule(config).image_end, "\n");
    EXPECT_FALSE(prompt_rule(config).trims);
  }
  config.generation = Generation::nvila;
  EXPECT_EQ(prompt_rule(config).image_end, "");
  EXPECT_TRUE(prompt_rule(config).trims);
  EXPECT_FALSE(prompt_rule(config).has_video_token);
  config.video_pools = {{8, 1, 1}};
  EXPECT_TRUE(prompt_rule(config).has_video_token);
}

TEST(RepeatTiles, PutsALineForEachTileOfAPicture) {
  const std::vector<int64_t> tiles = {1, 3};
  EXPECT_EQ(repeat_tiles("a<image>b<image>c", tiles), "a<image>b<image>\n<image>\n<image>\nc");
  EXPECT_THROW(repeat_tiles("<image>", tiles), Error);
}

TEST_F(PromptTest, RefusesAnotherNumberOfPicturesThanPlaceholders) {
  EXPECT_THROW(place_media("<image>", {2, 0}, kLines), Error);
  EXPECT_THROW(place_media("<image><image>", {1, 0}, kLines), Error);
  EXPECT_THROW(place_media("<image>", {0, 0}, kLines), Error);
  EXPECT_THROW(place_media("<vila/video>", {0, 2}, kLines), Error);
}

TEST_F(PromptTest, DocumentsPutPicturesBeforeTheirSentences) {
  const std::vector<std::string> sentences = {"One.", " Two <image> here.", "Three."};
  const std::vector<int64_t> images = {1, 0, 1};

  EXPECT_EQ(document_text(sentences, images), "<image>One.<image><image>Two <IMAGE> here. Three.");
  EXPECT_EQ(document_text({}, {}), "");
}

TEST_F(PromptTest, DocumentsRefusePicturesWithoutASentence) {
  const std::vector<std::string> sentences = {"One."};

  for (const int64_t index : {int64_t{-1}, int64_t{1}}) {
    EXPECT_THROW(document_text(sentences, std::vector<int64_t>{index}), Error);
  }
}

TEST_F(PromptTest, CaptionsAreLearnedWithTheirLineEnd) {
  const LabelledIds sample = label_plain(*tokenizer_, "A cat.");

  EXPECT_EQ(learned(sample), "A cat.\n");
  EXPECT_EQ(sample.ids[0], 1);
  EXPECT_EQ(sample.ids[1], kImageToken);
  EXPECT_EQ(sample.labels[0], kIgnoreLabel);
  EXPECT_EQ(sample.labels[1], kIgnoreLabel);
}

TEST_F(PromptTest, DocumentsAreLearnedWholeButForPictures) {
  const LabelledIds sample = label_document(*tokenizer_, "<image>A cat.<image>A dog.");

  ASSERT_EQ(sample.ids.size(), sample.labels.size());
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    const bool is_image = sample.ids[i] == kImageToken;
    EXPECT_EQ(sample.labels[i], is_image ? kIgnoreLabel : sample.ids[i]);
  }
  EXPECT_EQ(sample.ids.back(), tokenizer_->eos_id());
}

TEST_F(PromptTest, OnlyAnswersOfAConversationAreLearned) {
  const LabelledIds sample = label({{"user", "<image>\nWhat is this?"},
                                    {"assistant", "A cat."},
                                    {"user", "And this?"},
                                    {"assistant", "The mat."}});

  EXPECT_EQ(learned(sample), "A cat.</s> The mat.</s>");
  EXPECT_EQ(std::ranges::count(sample.labels, tokenizer_->eos_id()), 2);
}

TEST_F(PromptTest, AnAnswerWithoutAQuestionBeforeItIsLeftOut) {
  const LabelledIds sample = label({{"assistant", "Hello."}, {"user", "a"}, {"assistant", "b"}});

  EXPECT_EQ(learned(sample), "b</s>");
}

TEST_F(PromptTest, ASampleWhoseLengthsDoNotAddUpCarriesNoLoss) {
  const LabelledIds broken = label({{"user", "a"}, {"assistant", "b <unk> c"}});
  const LabelledIds sound = label({{"user", "a"}, {"assistant", "b c"}});

  EXPECT_FALSE(has_loss(broken));
  EXPECT_TRUE(has_loss(sound));
}

TEST_F(PromptTest, OtherTemplatesAreRefusedForTraining) {
  const std::vector<text::Message> messages = {{"user", "a"}, {"assistant", "b"}};

  EXPECT_THROW(label_conversation(*tokenizer_, text::find_chat_template("mpt"), messages), Error);
}

}  // namespace
}  // namespace vila::spec
