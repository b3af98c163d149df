// SPDX-License-Identifier: Apache-2.0
#include "data/row_index.h"

#include <string>

#include <gtest/gtest.h>

#include "base/stopwatch.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::data {
namespace {

using test::expect_error;
using test::TemporaryFolder;

TEST(RowIndex, FindsLinesAndSkipsBlankOnes) {
  const TemporaryFolder folder;
  const RowIndex index(folder.write("a.jsonl", "{\"a\":1}\n\n   \n {\"b\":2} \n{\"c\":3}"));
  ASSERT_EQ(index.size(), 3);
  EXPECT_EQ(index.text(0), "{\"a\":1}");
  EXPECT_EQ(index.text(1), "{\"b\":2}");
  EXPECT_EQ(index.text(2), "{\"c\":3}");
  EXPECT_EQ(index.line(0), 1);
  EXPECT_EQ(index.line(1), 4);
  EXPECT_EQ(index.line(2), 5);
}

TEST(RowIndex, TakesWindowsLineEndsAndAByteOrderMark) {
  const TemporaryFolder folder;
  const RowIndex index(folder.write("a.jsonl", "\xEF\xBB\xBF{\"a\":1}\r\n\r\n{\"b\":2}\r\n"));
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.text(0), "{\"a\":1}");
  EXPECT_EQ(index.text(1), "{\"b\":2}");
  EXPECT_EQ(index.line(1), 3);
}

TEST(RowIndex, TakesAnEmptyFileAsNoRows) {
  const TemporaryFolder folder;
  EXPECT_EQ(RowIndex(folder.write("a.jsonl", "")).size(), 0);
  EXPECT_EQ(RowIndex(folder.write("b.jsonl", "\n\n")).size(), 0);
  EXPECT_EQ(RowIndex(folder.write("c.json", " [ ] \n")).size(), 0);
}

TEST(RowIndex, FindsElementsOfAnArrayWhateverTheirStringsHold) {
  const TemporaryFolder folder;
  const RowIndex index(folder.write(
      "a.json", "[\n  {\"v\": \"],[ \\\" }\\\\\"},\n  {\"w\": [1, {\"x\": \"\\n\"}]}\n]\n"));
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.text(0), "{\"v\": \"],[ \\\" }\\\\\"}");
  EXPECT_EQ(index.text(1), "{\"w\": [1, {\"x\": \"\\n\"}]}");
  EXPECT_EQ(index.line(0), 2);
  EXPECT_EQ(index.line(1), 3);
}

TEST(RowIndex, HoldsALineOfSixteenMegabytes) {
  const TemporaryFolder folder;
  const std::string huge = "{\"text\":\"" + std::string(16 << 20, 'x') + "\"}";
  const RowIndex index(folder.write("a.jsonl", huge + "\n{}\n"));
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.text(0).size(), huge.size());
  EXPECT_EQ(index.text(1), "{}");
}

TEST(RowIndex, RefusesAnArrayThatIsCutShort) {
  const TemporaryFolder folder;
  for (const char* content : {"[", "[{}", "[{},", "[{}, {\"a\": \"", "[{}, {\"a\": \"\\"}) {
    const auto file = folder.write("a.json", content);
    expect_error(ErrorCode::invalid_data, "cut short", [&] { RowIndex{file}; });
  }
}

TEST(RowIndex, RefusesGapsAndTextBehindAnArray) {
  const TemporaryFolder folder;
  const auto gap = folder.write("gap.json", "[{},\n,{}]");
  const auto comma = folder.write("comma.json", "[{},]");
  const auto more = folder.write("more.json", "[{}]\n[{}]");
  expect_error(ErrorCode::invalid_data, "gap.json:2: expected a value", [&] { RowIndex{gap}; });
  expect_error(ErrorCode::invalid_data, "expected a value", [&] { RowIndex{comma}; });
  expect_error(ErrorCode::invalid_data, "more.json:2: expected nothing", [&] { RowIndex{more}; });
}

TEST(RowIndex, OpensAnArrayOfAHundredThousandRowsInAboutASecond) {
  const TemporaryFolder folder;
  std::string content = "[";
  for (int row = 0; row < 120000; ++row) {
    content += row == 0 ? "" : ",\n";
    content +=
        "{\"id\": \"" + std::to_string(row) + "\", \"conversations\": [{\"from\": \"human\", ";
    content += "\"value\": \"" + std::string(200, 'q') + "\"}]}";
  }
  const auto file = folder.write("big.json", content + "]");
  const Stopwatch watch;
  const RowIndex index(file);
  EXPECT_EQ(index.size(), 120000);
  EXPECT_LT(watch.seconds(), 3.0);
  EXPECT_EQ(index.line(119999), 120000);
}

}  // namespace
}  // namespace vila::data
