// SPDX-License-Identifier: Apache-2.0
#include "data/nano/text_facts.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include <gtest/gtest.h>

#include "data/nano/phrases.h"

namespace vila::data::nano {
namespace {

std::vector<Concept> some_concepts() {
  std::vector<Concept> concepts(4);
  concepts[0].name = "owl";
  concepts[0].category = "animal";
  concepts[0].keywords = {"wisdom", "night"};
  concepts[1].name = "bus";
  concepts[1].category = "vehicle";
  concepts[2].name = "grapes";
  concepts[2].category = "food";
  concepts[3].name = "yeti";
  concepts[3].category = "person";
  concepts[3].is_held_out = true;
  return concepts;
}

bool holds(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

bool any_names(const std::vector<std::string>& texts, std::string_view word) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return contains_words(text, word); });
}

TEST(NanoTextFacts, SayWhatConceptsAre) {
  const auto texts = concept_texts(some_concepts(), 1);
  EXPECT_TRUE(holds(texts, "An owl is an animal. It has to do with wisdom and night."));
  EXPECT_TRUE(holds(texts, "Grapes are a food."));
  EXPECT_TRUE(holds(texts, "What category is a bus? A vehicle."));
}

TEST(NanoTextFacts, NeverNameAHeldOutConcept) {
  EXPECT_FALSE(any_names(concept_texts(some_concepts(), 1), "yeti"));
  EXPECT_FALSE(any_names(fact_texts(some_concepts(), 1), "yeti"));
  EXPECT_FALSE(any_names(induction_texts(some_concepts(), {}, 1), "yeti"));
}

TEST(NanoTextFacts, AnswerYesOnlyForTheOwnCategory) {
  const auto texts = fact_texts(some_concepts(), 1);
  EXPECT_TRUE(holds(texts, "Is an owl an animal? Yes."));
  EXPECT_TRUE(holds(texts, "Are grapes a food? Yes."));
  EXPECT_FALSE(holds(texts, "Is an owl an animal? No."));
  EXPECT_FALSE(holds(texts, "Is an owl a vehicle? Yes."));
}

TEST(NanoTextFacts, SumsAreRight) {
  int64_t sums = 0;
  for (const std::string& text : arithmetic_texts(1)) {
    int a = 0, b = 0, c = 0;
    if (std::sscanf(text.c_str(), "%d + %d = %d.", &a, &b, &c) == 3) {
      EXPECT_EQ(a + b, c) << text;
      ++sums;
    } else if (std::sscanf(text.c_str(), "%d - %d = %d.", &a, &b, &c) == 3) {
      EXPECT_EQ(a - b, c) << text;
      ++sums;
    }
  }
  EXPECT_GT(sums, 400);
}

TEST(NanoTextFacts, InductionLinesRepeatAMeaning) {
  const auto texts = induction_texts(some_concepts(), {}, 1);
  ASSERT_FALSE(texts.empty());
  for (size_t i = 0; i < 200; ++i) {
    std::istringstream parts(texts[i]);
    std::vector<std::string> words;
    for (std::string word; parts >> word;)
      words.push_back(word);
    // The last word, a made-up one, has stood before (with the sign after it or without).
    const std::string last = words.back().substr(0, words.back().find_first_of(".;"));
    const auto count = std::count_if(words.begin(), words.end(), [&](const std::string& word) {
      return word.substr(0, word.find_first_of(".;")) == last;
    });
    EXPECT_GE(count, 2) << texts[i];
  }
}

}  // namespace
}  // namespace vila::data::nano
