// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <gtest/gtest.h>

namespace vila::eval {
namespace {

TEST(RelaxedMatch, AllowsFivePercentOfTheGold) {
  EXPECT_TRUE(is_relaxed_match("105", "100"));
  EXPECT_FALSE(is_relaxed_match("105.1", "100"));
  EXPECT_TRUE(is_relaxed_match("12%", "0.12"));
  EXPECT_TRUE(is_relaxed_match("-95", "-100"));
}

TEST(RelaxedMatch, ComparesWordsAndZeroAsText) {
  EXPECT_TRUE(is_relaxed_match("Blue", "blue"));
  EXPECT_TRUE(is_relaxed_match("0", "0"));
  EXPECT_FALSE(is_relaxed_match("0.0", "0"));
  EXPECT_FALSE(is_relaxed_match("100 units", "100"));
}

TEST(EditDistance, CountsCodePoints) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("été", "ete"), 2U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
}

TEST(Anls, TakesTheNearestGoldAndNothingBelowOneHalf) {
  const std::vector<std::string> golds = {"blue", "sky blue"};
  EXPECT_DOUBLE_EQ(anls("Sky  Blue", golds), 1);
  EXPECT_DOUBLE_EQ(anls("blua", golds), 0.75);
  EXPECT_DOUBLE_EQ(anls("red", golds), 0);
  EXPECT_DOUBLE_EQ(anls("", golds), 0);
}

TEST(PythonList, ReadsWhatPythonPrints) {
  EXPECT_EQ(python_list("['a', \"b's\", 'c\\'d']"), (std::vector<std::string>{"a", "b's", "c'd"}));
  EXPECT_EQ(python_list("plain"), (std::vector<std::string>{"plain"}));
  EXPECT_EQ(python_list("[]"), (std::vector<std::string>{"[]"}));
}

}  // namespace
}  // namespace vila::eval
