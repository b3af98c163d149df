// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include <gtest/gtest.h>

namespace vila::text {
namespace {

std::vector<std::string> parts_of(const AddedTokens& tokens, std::string_view text) {
  std::vector<std::string> parts;
  for (const TextPart& part : tokens.split(text)) {
    const std::string mark = part.token != nullptr ? "!" : "";
    parts.push_back(mark + std::string(part.text));
  }
  return parts;
}

TEST(AddedTokens, CutsTextAtEachToken) {
  const AddedTokens tokens({{"<s>", 1}, {"</s>", 2}});

  EXPECT_EQ(parts_of(tokens, "a</s>b<s>"), (std::vector<std::string>{"a", "!</s>", "b", "!<s>"}));
}

TEST(AddedTokens, TextWithoutTokensIsOnePart) {
  const AddedTokens tokens({{"<s>", 1}});

  EXPECT_EQ(parts_of(tokens, "< s> <s"), (std::vector<std::string>{"< s> <s"}));
  EXPECT_TRUE(tokens.split("").empty());
}

TEST(AddedTokens, TakesTheLongestOfThoseThatBeginTogether) {
  const AddedTokens tokens({{"<im", 5}, {"<im_start>", 6}});

  EXPECT_EQ(parts_of(tokens, "<im_start><im_x"),
            (std::vector<std::string>{"!<im_start>", "!<im", "_x"}));
}

TEST(AddedTokens, FindsByIdAndByContent) {
  const AddedTokens tokens({{"<s>", 1}, {"<pad>", 700, false}});

  EXPECT_EQ(tokens.find("<pad>")->id, 700);
  EXPECT_FALSE(tokens.find(700)->is_special);
  EXPECT_EQ(tokens.find(2), nullptr);
  EXPECT_EQ(tokens.find("<x>"), nullptr);
  EXPECT_EQ(tokens.end_id(), 701);
  EXPECT_EQ(AddedTokens().end_id(), 0);
}

TEST(AddedTokens, TheFirstOfEqualContentsCounts) {
  const AddedTokens tokens({{"<unk>", 0, true}, {"<unk>", 9, false}});

  EXPECT_EQ(tokens.find("<unk>")->id, 0);
  EXPECT_EQ(tokens.find(9), nullptr);
}

}  // namespace
}  // namespace vila::text
