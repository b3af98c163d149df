// SPDX-License-Identifier: Apache-2.0
#include "data/stats.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/temporary_folder.h"
#include "support/tiny_tokenizer.h"

namespace vila::data {
namespace {

using test::TemporaryFolder;

TEST(Distribution, KeepsExtremesMeanAndBinsByPowersOfTwo) {
  Distribution distribution;
  for (const int64_t value : {0, 1, 2, 3, 4, 7, 8})
    distribution.add(value);
  EXPECT_EQ(distribution.least, 0);
  EXPECT_EQ(distribution.most, 8);
  EXPECT_DOUBLE_EQ(distribution.mean(), 25.0 / 7.0);
  EXPECT_EQ(distribution.bins[0], 1);
  EXPECT_EQ(distribution.bins[1], 1);
  EXPECT_EQ(distribution.bins[2], 2);
  EXPECT_EQ(distribution.bins[3], 2);
  EXPECT_EQ(distribution.bins[4], 1);
}

DataStats pair_stats(const TemporaryFolder& folder) {
  const auto file =
      folder.write("set.jsonl", R"({"image": "a.png", "text": "A cat, a dog.", "concept": "cat"})"
                                "\nbroken\n"
                                R"({"image": "a.png", "text": "É cat", "concept": "cat"})"
                                "\n");
  return data_stats(*open_dataset(file, Kind::pairs), {}, 2);
}

TEST(DataStats, CountRowsPicturesConceptsAndWords) {
  const TemporaryFolder folder;
  const DataStats stats = pair_stats(folder);
  EXPECT_EQ(stats.rows, 3);
  EXPECT_EQ(stats.bad_rows, 1);
  EXPECT_EQ(stats.rows_with_pictures, 2);
  EXPECT_EQ(stats.distinct_pictures, 1);
  EXPECT_EQ(stats.distinct_concepts, 1);
  EXPECT_EQ(stats.words.sum, 6);
  EXPECT_EQ(stats.characters.least, 5) << "characters, not bytes";
  EXPECT_EQ(stats.distinct_words, 4);
  ASSERT_EQ(stats.common_words.size(), 2u);
  EXPECT_EQ(stats.common_words[0], (std::pair<std::string, int64_t>{"a", 2}));
  EXPECT_EQ(stats.common_words[1], (std::pair<std::string, int64_t>{"cat", 2}));
}

TEST(DataStats, CountTokensWithPicturesAndThoseWithLoss) {
  const TemporaryFolder folder;
  test::write_tiny_tokenizer(folder.path());
  const auto tokenizer = text::load_tokenizer(folder.path());
  const auto file = folder.write("set.jsonl", R"({"image": "a.png", "text": "The cat"})");
  const auto dataset = open_dataset(file, Kind::pairs);
  LabelRule rule;
  rule.tokenizer = tokenizer.get();
  rule.tokens_per_image = 64;
  const DataStats stats = data_stats(*dataset, rule);
  const auto caption =
      static_cast<int64_t>(tokenizer->encode("The cat", {.add_bos = false}).size());
  EXPECT_EQ(stats.loss_tokens.sum, caption + 1) << "the caption and its end";
  EXPECT_EQ(stats.tokens.sum, 1 + 64 + caption + 1);
}

TEST(DataStats, CountTurnsWithoutTheirPlaceholders) {
  const TemporaryFolder folder;
  const auto file = folder.write("set.json", R"([{"image": "a.png", "conversations": [
      {"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]}])");
  const DataStats stats = data_stats(*open_dataset(file, Kind::conversations));
  EXPECT_EQ(stats.turns.sum, 2);
  EXPECT_EQ(stats.pictures.sum, 1);
  EXPECT_EQ(stats.words.sum, 3);
}

TEST(DataStats, ComeAsJsonAndAsATable) {
  const TemporaryFolder folder;
  const DataStats stats = pair_stats(folder);
  const auto json = nlohmann::json::parse(stats_json(stats));
  EXPECT_EQ(json["kind"], "pairs");
  EXPECT_EQ(json["words"]["sum"], 6);
  EXPECT_EQ(json["words"]["histogram"].size(), 2u);
  EXPECT_FALSE(json.contains("tokens"));
  const std::string text = stats_text(stats);
  EXPECT_NE(text.find("3 rows, 1 of them bad, 2 with pictures"), std::string::npos) << text;
  EXPECT_NE(text.find("rows by words"), std::string::npos) << text;
  EXPECT_NE(text.find("cat 2"), std::string::npos) << text;
}

TEST(DataStats, OfAnEmptySetAreZeros) {
  const TemporaryFolder folder;
  const DataStats stats = data_stats(*open_dataset(folder.write("e.jsonl", ""), Kind::text));
  EXPECT_EQ(stats.rows, 0);
  EXPECT_NE(stats_text(stats).find("0 rows"), std::string::npos);
}

}  // namespace
}  // namespace vila::data
