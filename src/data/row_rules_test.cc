// SPDX-License-Identifier: Apache-2.0
#include "data/row_rules.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace vila::data {
namespace {

using Rules = std::vector<Rule>;

Rules rules_of(const Sample& sample) {
  Rules rules;
  check_sample(sample, [&](Rule rule, const std::string& found) {
    EXPECT_FALSE(found.empty());
    rules.push_back(rule);
  });
  return rules;
}

Sample conversation(std::vector<text::Message> turns, size_t images = 0) {
  Sample sample;
  sample.kind = Kind::conversations;
  sample.turns = std::move(turns);
  sample.images.resize(images);
  return sample;
}

Sample document(std::string text, size_t images) {
  Sample sample;
  sample.kind = Kind::documents;
  sample.text = std::move(text);
  sample.images.resize(images);
  return sample;
}

TEST(RowRules, FindNothingInGoodRows) {
  EXPECT_EQ(rules_of(conversation({{"user", "<image>\nq"}, {"assistant", "a"}}, 1)), Rules{});
  EXPECT_EQ(rules_of(conversation({{"user", "q"}, {"assistant", "a"}})), Rules{});
  EXPECT_EQ(rules_of(document("<image>One.", 1)), Rules{});
}

TEST(RowRules, CountPlaceholdersAgainstPictures) {
  const Sample two = conversation({{"user", "<image><image> q"}, {"assistant", "a"}}, 1);
  const Sample none = conversation({{"user", "<image> q"}, {"assistant", "a"}});
  EXPECT_EQ(rules_of(two), Rules{Rule::placeholders});
  EXPECT_EQ(rules_of(none), Rules{Rule::placeholders});
  EXPECT_EQ(rules_of(document("One.", 1)), Rules{Rule::placeholders});
}

TEST(RowRules, FindEmptyTurnsAndTexts) {
  EXPECT_EQ(rules_of(conversation({{"user", "q"}, {"assistant", " \n"}})), Rules{Rule::empty_turn});
  EXPECT_EQ(rules_of(conversation({{"user", "<image>\n"}, {"assistant", "a"}}, 1)),
            Rules{Rule::empty_turn});
  EXPECT_EQ(rules_of(conversation({})), Rules{Rule::empty_turn});
  EXPECT_EQ(rules_of(document("<image> ", 1)), Rules{Rule::empty_text});
}

TEST(RowRules, FindTurnsOutOfOrder) {
  const Sample twice =
      conversation({{"user", "q"}, {"assistant", "a"}, {"assistant", "b"}, {"user", "c"}});
  EXPECT_EQ(rules_of(twice), (Rules{Rule::role_order, Rule::role_order}));
  EXPECT_EQ(rules_of(conversation({{"user", "q"}, {"assistant", "a"}, {"user", "r"}})),
            Rules{Rule::role_order});
}

TEST(RowRules, ShortenAtACharacterBorder) {
  EXPECT_EQ(shorten("one\ntwo"), "one two");
  const std::string text = std::string(59, 'x') + "é and more";
  EXPECT_EQ(shorten(text), std::string(59, 'x') + "…");
}

}  // namespace
}  // namespace vila::data
