// SPDX-License-Identifier: Apache-2.0
#include "eval/json_cursor.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace vila::eval {
namespace {

std::string string_of(std::string_view text) {
  JsonCursor cursor(text, "x.json");
  std::string value;
  cursor.string(value);
  cursor.finish();
  return value;
}

void skip_all(std::string_view text) {
  JsonCursor cursor(text, "x.json");
  cursor.skip();
  cursor.finish();
}

void expect_refused(std::string_view text, const std::string& part) {
  test::expect_error(ErrorCode::invalid_data, part, [&] { skip_all(text); });
}

TEST(JsonCursor, WalksAnObjectAndSkipsWhatItIsNotAskedFor) {
  JsonCursor cursor("\xEF\xBB\xBF {\"a\": [1, {\"b\": null}], \"c\": \"x\", \"d\": -2.5e1}",
                    "x.json");
  std::string key;
  std::string value;
  double number = 0;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key == "c") {
      cursor.string(value);
    } else if (key == "d") {
      number = cursor.number();
    } else {
      cursor.skip();
    }
  }
  cursor.finish();
  EXPECT_EQ(value, "x");
  EXPECT_EQ(number, -25);
}

TEST(JsonCursor, ReadsEscapesAndPairsOfSurrogates) {
  EXPECT_EQ(string_of("\"a\\n\\u00e9\\ud83d\\ude00\\/\""), "a\né😀/");
}

TEST(JsonCursor, TakesIdentifiersAsTextOrNumber) {
  std::string id;
  JsonCursor("12345678901234567890", "x").text(id);
  EXPECT_EQ(id, "12345678901234567890");
  JsonCursor("\"v1_0\"", "x").text(id);
  EXPECT_EQ(id, "v1_0");
}

TEST(JsonCursor, RefusesWhatIsNotJson) {
  expect_refused("{\"a\" 1}", "x.json:1:6: expected ':'");
  expect_refused("[1 2]", "',' or ']'");
  expect_refused("[1,]", "a JSON value");
  expect_refused("{\"a\": 1", "the end");
  expect_refused("01", "a number");
  expect_refused("[tru]", "true");
  expect_refused("[] x", "expected the end");
  expect_refused("\"a\nb\"", "control character");
  expect_refused("\"\\ud800\"", "surrogate");
  expect_refused("\"\\q\"", "escape");
  expect_refused("\"abc", "the end of a string");
  expect_refused("[\n\n \"\xFF\"]", "x.json:3:3: expected UTF-8");
  expect_refused(std::string(65, '['), "64 levels");
}

TEST(JsonCursor, EndsAtEachLengthOfACutText) {
  const std::string text =
      "{\"question_id\": 1, \"a\": [true, null, \"\\u00e9\"], \"b\": {\"c\": 1.5}}";
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_THROW(skip_all(text.substr(0, length)), Error) << length;
}

}  // namespace
}  // namespace vila::eval
