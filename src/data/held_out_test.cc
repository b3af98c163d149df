// SPDX-License-Identifier: Apache-2.0
#include "data/held_out.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data {
namespace {

TEST(HeldOutConcepts, ComparesNamesByTheirWords) {
  const HeldOutConcepts concepts({"red apple", "T-Rex", "piñata"});
  EXPECT_TRUE(concepts.contains("Red Apple"));
  EXPECT_TRUE(concepts.contains("t rex"));
  EXPECT_TRUE(concepts.contains("piñata"));
  EXPECT_FALSE(concepts.contains("apple"));
  EXPECT_FALSE(concepts.contains(""));
}

TEST(HeldOutConcepts, FindsNamesInTextAsWholeWords) {
  const HeldOutConcepts concepts({"ant", "red apple"});
  EXPECT_EQ(concepts.mentioned_in("An Ant, walking."), "ant");
  EXPECT_EQ(concepts.mentioned_in("a big red\napple"), "red apple");
  EXPECT_FALSE(concepts.mentioned_in("an elephant with a red, ripe apple"));
  EXPECT_FALSE(HeldOutConcepts{}.mentioned_in("ant"));
}

TEST(HeldOutConcepts, ReadsOneNamePerLine) {
  const test::TemporaryFolder folder;
  const auto file = folder.write("held.txt", "# names\nant\r\n\nred apple\n");
  const HeldOutConcepts concepts = HeldOutConcepts::load({file});
  EXPECT_TRUE(concepts.contains("ant"));
  EXPECT_TRUE(concepts.contains("red apple"));
  EXPECT_FALSE(concepts.contains("names"));
  test::expect_error(ErrorCode::not_found, "none.txt",
                     [&] { HeldOutConcepts::load({folder / "none.txt"}); });
}

}  // namespace
}  // namespace vila::data
