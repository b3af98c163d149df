// SPDX-License-Identifier: Apache-2.0
#include "eval/parts.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila::eval {
namespace {

using Ids = std::vector<int64_t>;

constexpr size_t kItems = 80'000;  // 14 MB and more: several parts

// Items of an array as VQA's annotations are, with objects inside that begin as the items do, at
// places that change from item to item.
std::string nested_items(bool has_twins) {
  std::string text = "{\"info\": {}, \"items\": [";
  for (size_t i = 0; i < kItems; ++i) {
    text += i == 0 ? "" : ",\n ";
    text += "{\"id\": " + std::to_string(i) + ", \"text\": \"" + std::string(i % 97, 'x') +
            "\\\"}, {\\\"id\\\": 7\", \"inner\": [";
    const std::string twin = has_twins ? "{\"id\": 1, \"more\": {\"id\": 2}}" : "{\"a\": 1}";
    for (size_t k = 0; k < 4 + i % 5; ++k)
      text += (k == 0 ? "" : ", ") + twin;
    text += "]}";
  }
  return text + "], \"after\": [{\"id\": 99999}]}";
}

int64_t read_id(JsonCursor& item) {
  int64_t id = -1;
  std::string key;
  item.enter_object();
  while (item.next_key(key)) {
    if (key == "id") {
      id = item.integer();
    } else {
      item.skip();
    }
  }
  return id;
}

// Identifiers of "items", in parts or (threads 0) from the first to the last.
Ids read_ids(const std::string& text, int threads) {
  JsonCursor cursor(text, "x.json");
  Ids ids;
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key != "items") {
      cursor.skip();
      continue;
    }
    if (threads == 0) {
      cursor.enter_array();
      while (cursor.next_item())
        ids.push_back(read_id(cursor));
      continue;
    }
    ThreadPool pool(threads);
    std::vector<Ids> parts(part_count(text.size()));
    read_array_in_parts(pool, cursor, [&](size_t number) -> ReadItem {
      parts[number].clear();
      return [&part = parts[number]](JsonCursor& item) { part.push_back(read_id(item)); };
    });
    for (const Ids& part : parts)
      ids.insert(ids.end(), part.begin(), part.end());
  }
  cursor.finish();
  return ids;
}

std::string message_of(const std::string& text, int threads) {
  try {
    read_ids(text, threads);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(Parts, OfAnArrayGiveItsItemsInTheirOrder) {
  for (const bool has_twins : {false, true}) {
    const std::string text = nested_items(has_twins);
    ASSERT_GT(part_count(text.size()), 1U);
    const Ids alone = read_ids(text, 0);
    ASSERT_EQ(alone.size(), kItems);
    for (const int threads : {1, 2, 5})
      EXPECT_EQ(read_ids(text, threads), alone) << threads << " threads";
  }
}

TEST(Parts, OfSmallAndEmptyArraysAreOne) {
  for (const char* text :
       {"{\"items\": []}", "{\"items\": [ ], \"a\": 1}", "{\"items\": [{\"id\": 3}]}"})
    EXPECT_EQ(read_ids(text, 2), read_ids(text, 0)) << text;
  EXPECT_EQ(part_count(0), 1U);
}

TEST(Parts, RefuseWhatReadingAloneRefusesFirst) {
  const std::string whole = nested_items(true);
  for (const size_t share : {1, 4, 7, 9}) {
    std::string text = whole;
    const size_t broken = text.find("\"text\"", whole.size() / 10 * share);
    text[broken + 1] = '\n';
    text[text.find("\"text\"", broken + text.size() / 20) + 1] = '\x01';
    EXPECT_EQ(message_of(text, 2), message_of(text, 0));
    EXPECT_NE(message_of(text, 2), "");
  }
  const std::string cut = whole.substr(0, whole.size() / 2);
  EXPECT_EQ(message_of(cut, 2), message_of(cut, 0));
}

TEST(Parts, OfLinesKeepTheirNumbers) {
  std::string text;
  for (size_t i = 0; i < kItems; ++i) {
    if (i % 7 == 0) text += " \r\n";
    text += "{\"id\": " + std::to_string(i) + ", \"t\": \"" + std::string(200 + i % 31, 'y') +
            "\"},\r\n";
  }
  text += "{\"id\": 5}";
  std::vector<std::pair<int64_t, int64_t>> alone;
  read_lines(text, "x.jsonl", 1,
             [&](JsonCursor& line, int64_t number) { alone.emplace_back(number, read_id(line)); });
  std::vector<std::vector<std::pair<int64_t, int64_t>>> parts(part_count(text.size()));
  ASSERT_GT(parts.size(), 1U);
  ThreadPool pool(2);
  read_lines_in_parts(pool, text, "x.jsonl", [&](size_t number) -> ReadLine {
    return [&part = parts[number]](JsonCursor& line, int64_t row) {
      part.emplace_back(row, read_id(line));
    };
  });
  std::vector<std::pair<int64_t, int64_t>> joined;
  for (const auto& part : parts)
    joined.insert(joined.end(), part.begin(), part.end());
  EXPECT_EQ(joined, alone);
}

TEST(Parts, OfLinesNameTheFirstBrokenOne) {
  std::string text;
  for (size_t i = 0; i < kItems; ++i)
    text += "{\"id\": " + std::string(i == 21'000 || i == 79'000 ? "x" : "1") + ", \"t\": \"" +
            std::string(200, 'y') + "\"}\n";
  ThreadPool pool(2);
  try {
    read_lines_in_parts(pool, text, "x.jsonl", [](size_t) -> ReadLine {
      return [](JsonCursor& line, int64_t) { read_id(line); };
    });
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_TRUE(error.message().starts_with("x.jsonl:21001:8: ")) << error.message();
  }
}

}  // namespace
}  // namespace vila::eval
