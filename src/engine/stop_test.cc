// SPDX-License-Identifier: Apache-2.0
#include "engine/stop.h"

#include <gtest/gtest.h>

namespace vila::engine {
namespace {

TEST(StopMatcher, CutsAtAStopStringInsideAPiece) {
  StopMatcher stop({"###"});
  EXPECT_EQ(stop.push("yes ### no"), "yes ");
  EXPECT_TRUE(stop.is_stopped());
  EXPECT_EQ(stop.push("more"), "");
  EXPECT_EQ(stop.finish(), "");
}

TEST(StopMatcher, HoldsBackWhatMayBecomeAStopString) {
  StopMatcher stop({"</s>"});
  EXPECT_EQ(stop.push("a<"), "a");
  EXPECT_EQ(stop.push("/"), "");
  EXPECT_EQ(stop.push("b"), "</b");
  EXPECT_FALSE(stop.is_stopped());
}

TEST(StopMatcher, GivesBackWhatWasHeldAtTheEnd) {
  StopMatcher stop({"USER:"});
  EXPECT_EQ(stop.push("the US"), "the ");
  EXPECT_EQ(stop.finish(), "US");
  EXPECT_EQ(stop.finish(), "");
}

TEST(StopMatcher, LetsTheStringThatIsCompleteFirstWin) {
  StopMatcher stop({"abcd", "bc"});
  EXPECT_EQ(stop.push("xabcd"), "xa");
}

TEST(StopMatcher, PrefersTheEarlierOfTwoThatEndTogether) {
  StopMatcher stop({"cd", "bcd"});
  EXPECT_EQ(stop.push("abcd"), "a");
}

TEST(StopMatcher, FindsAStringThatOverlapsItself) {
  StopMatcher stop({"aab"});
  EXPECT_EQ(stop.push("aa"), "");
  EXPECT_EQ(stop.push("a"), "a");
  EXPECT_EQ(stop.push("b"), "");
  EXPECT_TRUE(stop.is_stopped());
}

TEST(StopMatcher, GivesTheSameTextHoweverThePiecesAreCut) {
  const std::string text = "one USUSER: two \n\nthree";
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      StopMatcher stop({"USER:", "\n\n"});
      std::string out = stop.push(text.substr(0, first));
      out += stop.push(text.substr(first, second - first));
      out += stop.push(text.substr(second));
      EXPECT_EQ(out, "one US") << first << " " << second;
      EXPECT_TRUE(stop.is_stopped());
    }
  }
}

TEST(StopMatcher, PassesEverythingWithoutStopStrings) {
  StopMatcher stop({});
  EXPECT_EQ(stop.push("anything"), "anything");
  EXPECT_EQ(stop.finish(), "");
}

}  // namespace
}  // namespace vila::engine
