// SPDX-License-Identifier: Apache-2.0
// Expected values were taken from CPython 3.11.
#include "eval/python_text.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace vila::eval {
namespace {

using Words = std::vector<std::string_view>;

TEST(PythonText, StripsTheWhiteSpaceOfPythonAndNoMore) {
  EXPECT_EQ(python_strip(" \t\x1C\u0085\u00A0x\u2003y\u3000\u2029"), "x\u2003y");
  EXPECT_EQ(python_strip("\u200Bx"), "\u200Bx");  // a zero-width space is none
  EXPECT_EQ(python_strip(" \n"), "");
}

TEST(PythonText, SplitsAtRunsOrAtEachSeparator) {
  EXPECT_EQ(python_split("  a \u00A0 b\n"), (Words{"a", "b"}));
  EXPECT_EQ(split("a  b", " "), (Words{"a", "", "b"}));
  EXPECT_EQ(split("", " "), (Words{""}));
  EXPECT_TRUE(python_split(" ").empty());
}

TEST(PythonText, LowersWhatChangesItsLengthAndTheFinalSigma) {
  EXPECT_EQ(python_lower("İ"), "i\u0307");
  EXPECT_EQ(python_lower("ΣΑΣ ΑΣ.Α Σ"), "σας ασ.α σ");
  EXPECT_EQ(python_lower("ẞ Ж Ა Ⅷ"), "ß ж ა ⅷ");
  EXPECT_EQ(python_lower("ǅ"), "ǆ");
}

TEST(PythonText, KnowsDigitsOfOtherScripts) {
  EXPECT_TRUE(starts_with_digit("\u096B", 0));
  EXPECT_FALSE(starts_with_digit("\u00B2", 0));  // superscript two is no \d
  EXPECT_TRUE(ends_with_digit("x\u096B", 4));
  EXPECT_FALSE(ends_with_digit("", 0));
}

TEST(PythonText, RoundsToTheNearestDecimalAndTiesToEven) {
  EXPECT_EQ(python_round(2.675, 2), 2.67);  // the float lies below
  EXPECT_EQ(python_round(0.125, 2), 0.12);
  EXPECT_EQ(python_round(0.375, 2), 0.38);
  EXPECT_EQ(fixed(0.5, 0), "0");
}

TEST(PythonText, RoundsByScalingAsNumpyDoes) {
  EXPECT_EQ(numpy_round(2.675, 2), 2.68);
  EXPECT_EQ(numpy_round(36.25, 1), 36.2);
}

TEST(PythonText, CountsCodePoints) {
  EXPECT_EQ(python_length("aé一😀"), 4U);
}

}  // namespace
}  // namespace vila::eval
