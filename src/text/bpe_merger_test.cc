// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merger.h"

#include <numeric>

#include <gtest/gtest.h>

#include "text/byte_letters.h"

namespace vila::text {
namespace {

// Every byte is its own id; joined ones count from 256.
std::vector<TokenId> all_bytes() {
  std::vector<TokenId> bytes(256);
  std::iota(bytes.begin(), bytes.end(), 0);
  return bytes;
}

std::vector<TokenId> encode(const std::vector<BpeMerger::Merge>& merges, std::string_view word) {
  std::vector<TokenId> ids;
  BpeMerger(all_bytes(), merges).encode(word, ids);
  return ids;
}

TEST(BpeMerger, JoinsTheEarliestPairFirst) {
  const std::vector<BpeMerger::Merge> merges = {{'b', 'c', 256}, {'a', 'b', 257}, {'a', 256, 258}};
  EXPECT_EQ(encode(merges, "abc"), (std::vector<TokenId>{258}));
  EXPECT_EQ(encode(merges, "abd"), (std::vector<TokenId>{257, 'd'}));
}

TEST(BpeMerger, JoinsFromTheLeftOnATie) {
  EXPECT_EQ(encode({{'a', 'a', 256}}, "aaa"), (std::vector<TokenId>{256, 'a'}));
  EXPECT_EQ(encode({{'a', 'a', 256}, {256, 256, 257}}, "aaaaaa"), (std::vector<TokenId>{257, 256}));
}

TEST(BpeMerger, LeavesOutBytesWithoutId) {
  std::vector<TokenId> bytes = all_bytes();
  bytes['x'] = -1;
  std::vector<TokenId> ids;
  BpeMerger(bytes, std::vector<BpeMerger::Merge>{{'a', 'b', 256}}).encode("axb", ids);
  EXPECT_EQ(ids, (std::vector<TokenId>{256}));
  ids.clear();
  BpeMerger(bytes, {}).encode("xx", ids);
  EXPECT_TRUE(ids.empty());
}

TEST(BpeMerger, TakesAMillionBytesInOneWord) {
  const std::string word(1'000'000, 'a');
  const std::vector<TokenId> ids = encode({{'a', 'a', 256}, {256, 256, 257}}, word);
  EXPECT_EQ(ids.size(), 250'000U);
}

TEST(ByteLetters, SpellsEveryByteByALetterOfItsOwn) {
  const ByteLetters letters;
  EXPECT_EQ(letters.letter(' '), "\u0120");
  EXPECT_EQ(letters.letter('a'), "a");
  EXPECT_EQ(letters.letter(0xAD), "\u0143");
  for (int byte = 0; byte < 256; ++byte) {
    const auto bytes = letters.bytes(letters.letter(static_cast<uint8_t>(byte)));
    ASSERT_TRUE(bytes.has_value());
    EXPECT_EQ(*bytes, std::string(1, static_cast<char>(byte)));
  }
  EXPECT_FALSE(letters.bytes("a b").has_value());
  EXPECT_FALSE(letters.bytes("\u4e2d").has_value());
}

}  // namespace
}  // namespace vila::text
