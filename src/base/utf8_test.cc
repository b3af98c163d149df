// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace vila {
namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

/// Bytes and what Python 3.11's bytes.decode("utf-8", errors="replace") makes of them, U+FFFD as
/// '?'.
struct Malformed {
  std::string bytes;
  std::string decoded;
};

const std::vector<Malformed>& malformed() {
  static const std::vector<Malformed> rows = {{"a\xFFz", "a?z"},
                                              {"\x80", "?"},
                                              {"\xC0\x80", "??"},
                                              {"\xC1\xBF", "??"},
                                              {"\xE0\x80\x80", "???"},
                                              {"\xED\xA0\x80", "???"},
                                              {"\xED\xBF\xBF", "???"},
                                              {"\xF4\x90\x80\x80", "????"},
                                              {"\xF5\x80\x80\x80", "????"},
                                              {"\xE2\x82z", "?z"},
                                              {"\xF0\x9F\x98z", "?z"},
                                              {"\xF0\x9F\x98\xF0\x9F\x98\x80", "?\xF0\x9F\x98\x80"},
                                              {"\xE2\x28\xA1", "?(?"},
                                              {"\xF0\x80\x80\x80", "????"}};
  return rows;
}

TEST(Utf8, AcceptsWellFormedText) {
  for (const char* text : {"", "plain", "é", "€", "😀", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF4\x8F\xBF\xBF", "\xC2\x80", "\xE0\xA0\x80", "\xF0\x90\x80\x80"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
    EXPECT_EQ(replace_invalid_utf8(text), text);
  }
}

TEST(Utf8, ReplacesMalformedPartsAsPythonDoes) {
  for (const Malformed& row : malformed()) {
    EXPECT_FALSE(is_valid_utf8(row.bytes));
    std::string expected;
    for (const char c : row.decoded)
      expected += c == '?' ? kReplacement : std::string(1, c);
    EXPECT_EQ(replace_invalid_utf8(row.bytes), expected);
  }
}

TEST(Utf8, EveryCodePointGoesThereAndBack) {
  for (char32_t point = 0; point <= 0x10FFFF; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    std::string text;
    append_utf8(text, point);
    const std::vector<char32_t> back = decode_utf8(text);
    ASSERT_EQ(back.size(), 1U);
    ASSERT_EQ(back[0], point);
    ASSERT_TRUE(is_valid_utf8(text));
  }
}

TEST(Utf8, HoldsBackAnUnfinishedEnd) {
  const std::string text = "a😀é";
  const std::vector<size_t> expected = {0, 1, 1, 1, 1, 5, 5, 7};
  for (size_t size = 0; size < expected.size(); ++size) {
    EXPECT_EQ(complete_utf8_prefix(std::string_view(text).substr(0, size)), expected[size]) << size;
  }
}

TEST(Utf8, NeverHoldsBackMalformedBytes) {
  EXPECT_EQ(complete_utf8_prefix("\x80\x80\x80"), 3U);
  EXPECT_EQ(complete_utf8_prefix("a\xFF"), 2U);
  EXPECT_EQ(complete_utf8_prefix("a\xED\xA0"), 3U);
  EXPECT_EQ(complete_utf8_prefix("a\xC0"), 2U);
}

}  // namespace
}  // namespace vila
