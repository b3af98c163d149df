// SPDX-License-Identifier: Apache-2.0
#include "engine/speculation.h"

#include <gtest/gtest.h>

namespace vila::engine {
namespace {

using Ids = std::vector<text::TokenId>;

TEST(PromptLookup, GuessesWhatFollowedTheLastThreeTokens) {
  const PromptLookup lookup(Ids{1, 5, 6, 7, 8, 9, 10, 5, 6, 7});
  EXPECT_EQ(lookup.guess(2), (Ids{8, 9}));
  EXPECT_EQ(lookup.guess(100), (Ids{8, 9, 10, 5, 6, 7}));
  EXPECT_EQ(lookup.guess(0), Ids{});
}

TEST(PromptLookup, PrefersTheLaterPlaceAndTheLongerMatch) {
  EXPECT_EQ(PromptLookup(Ids{5, 6, 7, 1, 5, 6, 7, 2, 5, 6, 7}).guess(1), Ids{2});
  EXPECT_EQ(PromptLookup(Ids{5, 6, 7, 1, 9, 6, 7, 2, 5, 6, 7}).guess(1), Ids{1});
}

TEST(PromptLookup, FallsBackToTwoTokensButNotToOne) {
  EXPECT_EQ(PromptLookup(Ids{9, 6, 7, 3, 5, 6, 7}).guess(1), Ids{3});
  EXPECT_EQ(PromptLookup(Ids{9, 9, 7, 3, 5, 6, 7}).guess(1), Ids{});
}

TEST(PromptLookup, GuessesARunThatOverlapsItself) {
  EXPECT_EQ(PromptLookup(Ids{1, 4, 4, 4, 4}).guess(3), Ids{4});
}

TEST(PromptLookup, NeverGuessesAPicture) {
  EXPECT_EQ(PromptLookup(Ids{5, 6, 7, 8, -200, 9, 5, 6, 7}).guess(4), Ids{8});
}

TEST(PromptLookup, FollowsTheAnswerAndSurvivesShortTexts) {
  PromptLookup lookup(Ids{5});
  EXPECT_EQ(lookup.guess(3), Ids{});
  for (const text::TokenId id : {6, 7, 8, 5, 6})
    lookup.accept(id);
  EXPECT_EQ(lookup.guess(2), (Ids{7, 8}));
  EXPECT_EQ(PromptLookup(Ids{}).guess(3), Ids{});
}

Speculation with_repeats(Speculate mode) {
  return Speculation(mode, Ids{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3});
}

TEST(Speculation, IsOffWhenToldSo) {
  Speculation speculation = with_repeats(Speculate::off);
  speculation.record(0, 0, 1);
  EXPECT_TRUE(speculation.draft(7).empty());
}

TEST(Speculation, DraftsMoreAfterRightGuessesAndNeverMoreThanAsked) {
  Speculation speculation = with_repeats(Speculate::lookup);
  EXPECT_EQ(speculation.draft(7), (Ids{4, 5, 6}));
  speculation.record(3, 3, 1);
  EXPECT_EQ(speculation.draft(7).size(), 7U);
  EXPECT_EQ(speculation.draft(2).size(), 2U);
  speculation.record(7, 0, 1);
  EXPECT_EQ(speculation.draft(7).size(), 3U);
}

TEST(Speculation, MeasuresAPlainStepFirst) {
  Speculation speculation = with_repeats(Speculate::automatic);
  EXPECT_TRUE(speculation.draft(7).empty());
  speculation.record(0, 0, 1);
  EXPECT_FALSE(speculation.draft(7).empty());
}

TEST(Speculation, PausesLongerAndLongerWhereItDoesNotPay) {
  Speculation speculation = with_repeats(Speculate::automatic);
  speculation.record(0, 0, 1);
  const auto plain_steps = [&] {
    int64_t steps = 0;
    while (speculation.draft(7).empty())
      ++steps;
    return steps;
  };
  speculation.record(3, 0, 2);  // one token for twice the time
  EXPECT_EQ(plain_steps(), 8);
  speculation.record(3, 0, 2);
  EXPECT_EQ(plain_steps(), 16);
  for (int i = 0; i < 20; ++i)
    speculation.record(3, 3, 2);  // four tokens for twice the time
  EXPECT_EQ(plain_steps(), 0);
}

}  // namespace
}  // namespace vila::engine
