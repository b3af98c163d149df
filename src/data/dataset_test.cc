// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data {
namespace {

using test::expect_error;
using test::TemporaryFolder;

TEST(Dataset, NamesItsKinds) {
  for (const Kind kind : {Kind::pairs, Kind::documents, Kind::conversations, Kind::text}) {
    EXPECT_EQ(parse_kind(kind_name(kind)), kind);
  }
  expect_error(ErrorCode::invalid_argument, "found \"video\"", [] { parse_kind("video"); });
}

TEST(Dataset, ResolvesPicturesBesideTheFileOrUnderTheRoot) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.jsonl", "{\"image\": \"x.png\", \"text\": \"x\"}\n");
  EXPECT_EQ(open_dataset(file, Kind::pairs)->at(0).images[0].path, folder.path() / "x.png");
  EXPECT_EQ(open_dataset(file, Kind::pairs, "root")->at(0).images[0].path, "root/x.png");
}

TEST(Dataset, NamesFileAndRowOfABrokenRowAndReadsTheOthers) {
  const TemporaryFolder folder;
  const auto file = folder.write(
      "a.jsonl",
      "{\"text\": \"one\"}\n\n{\"text\": \"tw\n{\"text\": \"\xFF\"}\n{\"text\": \"four\"}");
  const auto dataset = open_dataset(file, Kind::text);
  ASSERT_EQ(dataset->size(), 4);
  EXPECT_EQ(dataset->at(0).text, "one");
  EXPECT_EQ(dataset->at(3).text, "four");
  expect_error(ErrorCode::invalid_data, "a.jsonl:3 (row 1)", [&] { dataset->at(1); });
  expect_error(ErrorCode::invalid_data, "a.jsonl:4 (row 2): expected UTF-8",
               [&] { dataset->at(2); });
}

TEST(Dataset, ReadsALlavaArrayRowByRow) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.json", R"([
    {"id": "a", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    {"id": "b", "conversations": 5}
  ])");
  const auto dataset = open_dataset(file, Kind::conversations);
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->at(0).turns[1].content, "a");
  expect_error(ErrorCode::invalid_data, "a.json:3 (row 1)", [&] { dataset->at(1); });
  EXPECT_EQ(dataset->raw(1), "{\"id\": \"b\", \"conversations\": 5}");
}

TEST(Dataset, ReadsTheFilesOfAFolderInTheOrderOfTheirNames) {
  const TemporaryFolder folder;
  folder.write("b.jsonl", "{\"text\": \"three\"}\n");
  folder.write("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
  folder.write("empty.jsonl", "");
  folder.write("notes.txt", "not data");
  const auto dataset = open_dataset(folder.path(), Kind::text);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->at(1).text, "two");
  EXPECT_EQ(dataset->at(2).text, "three");
  EXPECT_EQ(dataset->place(2).name(), (folder.path() / "b.jsonl").string() + ":1 (row 0)");
}

TEST(Dataset, SaysWhichFileOrFolderIsMissing) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found, "none.jsonl: no such file",
               [&] { open_dataset(folder.path() / "none.jsonl", Kind::text); });
  expect_error(ErrorCode::not_found, "expected .jsonl, .json or .tar files",
               [&] { open_dataset(folder.path(), Kind::text); });
}

TEST(Dataset, TellsTheKindByTheFirstRow) {
  const TemporaryFolder folder;
  EXPECT_EQ(detect_kind(folder.write("p.jsonl", R"({"image": "a", "text": "b"})")), Kind::pairs);
  EXPECT_EQ(detect_kind(folder.write("d.jsonl", R"({"text_list": [], "image_info": []})")),
            Kind::documents);
  EXPECT_EQ(detect_kind(folder.write("c.json", R"([{"image": "a", "conversations": []}])")),
            Kind::conversations);
  EXPECT_EQ(detect_kind(folder.write("q.jsonl", R"({"prompt": "b"})")), Kind::conversations);
  EXPECT_EQ(detect_kind(folder.write("t.jsonl", R"({"text": "b"})")), Kind::text);
  const auto other = folder.write("o.jsonl", R"({"question": "b"})");
  const auto empty = folder.write("e.jsonl", "");
  expect_error(ErrorCode::invalid_data, "o.jsonl:1", [&] { detect_kind(other); });
  expect_error(ErrorCode::invalid_data, "expected rows", [&] { detect_kind(empty); });
}

}  // namespace
}  // namespace vila::data
