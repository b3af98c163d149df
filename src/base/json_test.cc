// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <ctime>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vila {
namespace {

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
  try {
    parse_json(text, "x.json", limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_data);
    return error.message();
  }
  return "";
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Json, ReadsValues) {
  const Json parsed = parse_json(R"({"a": [1, -2.5, "é\n", null, true]})", "x.json");
  EXPECT_EQ(parsed.at("a").size(), 5U);
  EXPECT_EQ(parsed.at("a").at(2).get<std::string>(), "é\n");
}

TEST(Json, NamesLineAndColumn) {
  EXPECT_TRUE(contains(refusal("{\n  \"a\": 1,\n  oops\n}"), "x.json:3:3: "));
  EXPECT_TRUE(contains(refusal(""), "x.json:1:1: "));
  EXPECT_TRUE(contains(refusal("[1, 2"), "x.json:1:6: "));
}

TEST(Json, RefusesWhatIsNotStrict) {
  for (const char* text : {"{'a': 1}", "[1,]", "{\"a\": 1} x", "// c\n1", "[01]", "NaN", "[1e]",
                           "\"\xff\"", "\"\xc0\x80\"", "\"tab\there\"", "\"\\ud800\"", "[1}"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
}

TEST(Json, RefusesKeysThatOccurTwiceInOneObjectOnly) {
  EXPECT_TRUE(contains(refusal(R"({"a": 1, "b": {"c": 1, "c": 2}})"), "\"c\""));
  EXPECT_TRUE(contains(refusal(R"([{"a": 1, "\u0061": 2}])"), "twice"));
  EXPECT_EQ(refusal(R"({"a": {"a": [{"a": 1}, {"a": 2}]}})"), "");
}

TEST(Json, RefusesNumbersBeyondADouble) {
  EXPECT_NE(refusal("[1e999]"), "");
}

TEST(Json, LimitsDepthAtTheRightPlace) {
  EXPECT_EQ(refusal("[[[1]]]", {.max_depth = 3}), "");
  EXPECT_TRUE(contains(refusal("[[[[1]]]]", {.max_depth = 3}), "x.json:1:4: "));
  EXPECT_TRUE(contains(refusal("{\"a\":\n {\"b\": {}}}", {.max_depth = 2}), "x.json:2:8: "));
  EXPECT_EQ(refusal(R"(["[[[[[[", "\"[[[["])", {.max_depth = 1}), "");
}

TEST(Json, RefusesHostileNestingQuickly) {
  const std::clock_t start = std::clock();  // processor time, whatever else the machine does
  EXPECT_NE(refusal(std::string(10 << 20, '[')), "");
  EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC / 2);
}

TEST(Json, LimitsSize) {
  EXPECT_TRUE(contains(refusal("[1, 2, 3]", {.max_bytes = 8}), "at most 8 bytes"));
  EXPECT_EQ(refusal("[1, 2, 3]", {.max_bytes = 9}), "");
}

TEST(JsonGet, FallsBackWhenAbsentOrNull) {
  const Json object = parse_json(R"({"n": null, "i": 3, "d": 3.5, "s": "x", "b": true})", "c");
  EXPECT_EQ(json_get<int64_t>(object, "n", 9, "c"), 9);
  EXPECT_EQ(json_get<int64_t>(object, "absent", 9, "c"), 9);
  EXPECT_EQ(json_get<int64_t>(object, "i", 9, "c"), 3);
  EXPECT_EQ(json_get<double>(object, "i", 9, "c"), 3.0);
  EXPECT_EQ(json_get<double>(object, "d", 9, "c"), 3.5);
  EXPECT_EQ(json_get<std::string>(object, "s", "", "c"), "x");
  EXPECT_TRUE(json_get<bool>(object, "b", false, "c"));
}

template <typename T>
std::string wrong_member(const char* text) {
  try {
    json_require<T>(parse_json(text, "c"), "k", "c.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_config);
    return error.message();
  }
  return "";
}

TEST(JsonRequire, NamesWhatIsMissingOrOfAnotherType) {
  EXPECT_TRUE(contains(wrong_member<int64_t>("{}"), "\"k\" (an integer)"));
  EXPECT_TRUE(contains(wrong_member<int64_t>(R"({"k": null})"), "found none"));
  EXPECT_TRUE(contains(wrong_member<int64_t>(R"({"k": 1.5})"), "found 1.5"));
  EXPECT_TRUE(contains(wrong_member<int64_t>(R"({"k": 18446744073709551615})"), "an integer"));
  EXPECT_TRUE(contains(wrong_member<bool>(R"({"k": 1})"), "true or false"));
  EXPECT_TRUE(contains(wrong_member<double>(R"({"k": "1"})"), "a number"));
  EXPECT_TRUE(contains(wrong_member<std::string>(R"({"k": []})"), "a string"));
  EXPECT_TRUE(contains(wrong_member<std::string>("[]"), "a JSON object"));
  EXPECT_EQ(wrong_member<int64_t>(R"({"k": -9223372036854775808})"), "");
}

}  // namespace
}  // namespace vila
