// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <gtest/gtest.h>

namespace vila {
namespace {

using Parts = std::vector<std::string_view>;

TEST(Strings, SplitsAsPythonDoes) {
  EXPECT_EQ(split("", ","), (Parts{""}));
  EXPECT_EQ(split(",a,,b,", ","), (Parts{"", "a", "", "b", ""}));
  EXPECT_EQ(split("a--b---c", "--"), (Parts{"a", "b", "-c"}));
}

TEST(Strings, ReplacesFromLeftToRightAndNeverInWhatItWrote) {
  EXPECT_EQ(replace_all("aaa", "aa", "a"), "aa");
  EXPECT_EQ(replace_all("a.b.", ".", ".."), "a..b..");
  EXPECT_EQ(replace_all("abc", "x", "y"), "abc");
  EXPECT_EQ(replace_all("", "x", "y"), "");
}

TEST(Strip, TakesWhiteSpaceOffBothEndsAsPythonDoes) {
  EXPECT_EQ(strip(" \t\n a b \r\v\f"), "a b");
  EXPECT_EQ(strip("\u00a0\u3000x\u2028\x1f"), "x");
  EXPECT_EQ(strip("\u200bx"), "\u200bx");  // a zero-width space is none to Python
  EXPECT_EQ(strip(" \n "), "");
  EXPECT_EQ(strip(""), "");
}

}  // namespace
}  // namespace vila
