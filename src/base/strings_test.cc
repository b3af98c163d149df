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

}  // namespace
}  // namespace vila
