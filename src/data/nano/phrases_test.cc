// SPDX-License-Identifier: Apache-2.0
#include "data/nano/phrases.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace vila::data::nano {
namespace {

TEST(NanoPhrases, GiveTheArticleThatTheNameTakes) {
  EXPECT_EQ(with_article("red apple"), "a red apple");
  EXPECT_EQ(with_article("owl"), "an owl");
  EXPECT_EQ(with_article("hourglass done"), "an hourglass done");
  EXPECT_EQ(with_article("unicorn"), "a unicorn");
  EXPECT_EQ(with_article("cactus"), "a cactus");
  EXPECT_EQ(with_article("face with tears of joy"), "a face with tears of joy");
}

TEST(NanoPhrases, GiveNoArticleToPluralsMatterAndProperNames) {
  EXPECT_EQ(with_article("grapes"), "grapes");
  EXPECT_EQ(with_article("cooked rice"), "cooked rice");
  EXPECT_EQ(with_article("Virgo"), "Virgo");
  EXPECT_EQ(with_article("Statue of Liberty"), "Statue of Liberty");
  EXPECT_EQ(with_article("Christmas tree"), "a Christmas tree");
  EXPECT_EQ(with_article("ATM sign"), "an ATM sign");
}

TEST(NanoPhrases, TellPluralsByTheHeadWord) {
  EXPECT_TRUE(is_plural("eyes"));
  EXPECT_TRUE(is_plural("people with bunny ears"));
  EXPECT_FALSE(is_plural("globe with meridians"));
  EXPECT_FALSE(is_plural("bus"));
  EXPECT_FALSE(is_plural("wine glass"));
}

TEST(NanoPhrases, JoinAsALanguageDoes) {
  const std::vector<std::string> three = {"a cat", "a dog", "a bird"};
  EXPECT_EQ(joined(three), "a cat, a dog and a bird");
  EXPECT_EQ(joined(std::span(three).first(2)), "a cat and a dog");
  EXPECT_EQ(joined(std::span(three).first(1)), "a cat");
  EXPECT_EQ(joined(three, ", "), "a cat, a dog, a bird");
}

TEST(NanoPhrases, FillPatterns) {
  EXPECT_EQ(filled("{1} {} and {}.", "x", "is"), "is x and x.");
  EXPECT_EQ(as_sentence("a red apple"), "A red apple.");
}

TEST(NanoPhrases, FindWholeWordsOnly) {
  EXPECT_TRUE(contains_words("A Red Apple lies there", "red apple"));
  EXPECT_TRUE(contains_words("the bear", "bear"));
  EXPECT_FALSE(contains_words("a bearded man", "bear"));
  EXPECT_FALSE(contains_words("teddybear", "bear"));
  EXPECT_FALSE(contains_words("anything", ""));
}

TEST(NanoPhrases, MadeUpWordsAreNewUnlikeEachOtherAndReproducible) {
  const auto words = made_up_words(2000, 7);
  EXPECT_EQ(std::set<std::string>(words.begin(), words.end()).size(), words.size());
  EXPECT_EQ(made_up_words(2000, 7), words);
  EXPECT_NE(made_up_words(2000, 8), words);
  for (const std::string& word : words) {
    EXPECT_NE(word.find_first_of("aeiou"), std::string::npos) << word;
    EXPECT_LE(word.size(), 14u) << word;
  }
}

TEST(NanoPhrases, MadeUpWordsAvoidTheTakenOnes) {
  std::vector<std::string> taken = made_up_words(50, 7);
  std::sort(taken.begin(), taken.end());
  for (const std::string& word : made_up_words(500, 7, taken)) {
    EXPECT_FALSE(std::binary_search(taken.begin(), taken.end(), word)) << word;
  }
}

TEST(NanoPhrases, StreamsOfDifferentKeysDiffer) {
  EXPECT_EQ(random_for(1, "a").next_u64(), random_for(1, "a").next_u64());
  EXPECT_NE(random_for(1, "a").next_u64(), random_for(1, "b").next_u64());
  EXPECT_NE(random_for(1, "a").next_u64(), random_for(2, "a").next_u64());
}

}  // namespace
}  // namespace vila::data::nano
