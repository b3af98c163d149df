// SPDX-License-Identifier: Apache-2.0
#include "eval/normalise.h"

#include <gtest/gtest.h>

#include "eval/contractions.h"

namespace vila::eval {
namespace {

std::string vqa(std::string_view answer) {
  return normalise(answer, Normaliser::vqa);
}

std::string m4c(std::string_view answer) {
  return normalise(answer, Normaliser::m4c);
}

struct Golden {
  const char* answer;
  const char* vqa;
  const char* m4c;
};

// Section 2 of the evaluation specification, computed with the official scorers.
constexpr Golden kGolden[] = {
    {"Two dogs.", "2 dogs", "2 dogs"},
    {"100,978", "100978", "100978"},
    {"1, 000", "1 000", "1 000"},
    {"red/white", "red white", "red white"},
    {"red / white", "red white", "red white"},
    {"t-shirt", "t shirt", "t shirt"},
    {"a-b -c", "ab c", "ab c"},
    {"what's this?", "what's this", "what 's this"},
    {"it's a T-shirt", "it's t shirt", "it 's t shirt"},
    {"2:50 pm", "2:50 pm", "2:50 pm"},
    {"50%", "50%", "50%"},
    {"$5", "$5", "$5"},
    {"3.5", "3.5", "3.5"},
    {".5", ".5", ".5"},
    {"dont", "don't", "don't"},
    {"Im", "im", "im"},
    {"none", "0", "0"},
    {"eleven", "eleven", "eleven"},
    {"a", "", ""},
    {"A.", "", ""},
    {"the the", "", ""},
    {"...", "", ""},
    {"12,3 a-b", "123 ab", "123 b"},
    {"girl's", "girl's", "girl 's"},
};

TEST(Normalise, GivesTheGoldenExamplesOfBothScorers) {
  for (const Golden& golden : kGolden) {
    EXPECT_EQ(vqa(golden.answer), golden.vqa) << golden.answer;
    EXPECT_EQ(m4c(golden.answer), golden.m4c) << golden.answer;
  }
}

TEST(Normalise, StripsAtMostThirtyTwoPeriods) {
  EXPECT_EQ(vqa(std::string(40, '.')), "........");
}

TEST(Normalise, KeepsAPeriodOnlyBeforeADigitForItsLookBehindIsBroken) {
  EXPECT_EQ(vqa("5."), "5");
  EXPECT_EQ(vqa("U.S.A."), "usa");
  EXPECT_EQ(vqa("3..4"), "3.4");
}

TEST(Normalise, DropsEveryMarkWithoutASpaceWhereOneCommaStandsBetweenDigits) {
  EXPECT_EQ(vqa("1,000 a/b"), "1000 ab");
  EXPECT_EQ(m4c("1,000 a/b"), "1000 b");
}

TEST(Normalise, TakesDigitsOfAnyScript) {
  EXPECT_EQ(vqa("\u0663,\u0664 x-y"), "\u0663\u0664 xy");
  EXPECT_EQ(vqa("x.\u0663"), "x.\u0663");
}

TEST(Normalise, SplitsAtAllWhiteSpaceOfPython) {
  EXPECT_EQ(vqa("one\u00A0two\u3000three"), "1 2 3");
}

TEST(Normalise, LowersAllOfUnicode) {
  EXPECT_EQ(vqa("ÉTÉ Straße ΟΔΟΣ"), "été straße οδος");
}

TEST(Normalise, GivesVizwizTypographicApostrophes) {
  EXPECT_EQ(normalise("dont", Normaliser::vizwiz), "don\u2019t");
  EXPECT_EQ(normalise("cant", Normaliser::vizwiz), "can't");
}

TEST(Normalise, LeavesCaseAndWordsOfHumanAnswersOf2016) {
  EXPECT_EQ(normalise("The U.S. flag", Normaliser::vqa_punct), "The US flag");
}

TEST(Contractions, HasTheHundredAndTwentyRowsOfVqa) {
  EXPECT_EQ(contractions().size(), 120U);
}

TEST(Contractions, LeavesWordsThatAreWordsWithoutAnApostrophe) {
  for (std::string word : {"its", "were", "wed", "shed", "id", "ill", "well", "hell"}) {
    const std::string before = word;
    expand_contraction(word, ContractionTable::vqa);
    EXPECT_EQ(word, before);
  }
}

}  // namespace
}  // namespace vila::eval
