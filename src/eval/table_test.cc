// SPDX-License-Identifier: Apache-2.0
#include "eval/table.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::eval {
namespace {

TEST(Tsv, ReadsQuotedCellsAcrossLines) {
  const test::TemporaryFolder folder;
  const Table table = read_tsv(
      folder.write("t.tsv", "\xEF\xBB\xBFindex\tquestion\r\n1\t\"a \"\"b\"\"\tc\nd\"\r\n2\t\r\n"));
  EXPECT_EQ(table.columns, (std::vector<std::string>{"index", "question"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0][1], "a \"b\"\tc\nd");
  EXPECT_EQ(table.rows[1][1], "");
}

TEST(Tsv, NamesTheLineOfACutRow) {
  const test::TemporaryFolder folder;
  test::expect_error(ErrorCode::invalid_data, "t.tsv:3: expected 2 cells, found 1",
                     [&] { read_tsv(folder.write("t.tsv", "a\tb\n1\t2\n3\n")); });
  test::expect_error(ErrorCode::invalid_data, "t.tsv:2: expected the end of a quoted cell",
                     [&] { read_tsv(folder.write("t.tsv", "a\tb\n1\t\"2\n3\n")); });
  test::expect_error(ErrorCode::invalid_data, "expected a column \"x\", found a, b",
                     [&] { read_tsv(folder.write("t.tsv", "a\tb\n1\t2\n")).column("x"); });
}

TEST(Xlsx, ReadsWhatItWrote) {
  const test::TemporaryFolder folder;
  const Table table{.source = "",
                    .columns = {"index", "question", "A"},
                    .rows = {{"1000001", "a < b & \"c\" 一\n>", ""}, {"2", " edge ", "007x"}}};
  const Table read = read_xlsx(folder.write("t.xlsx", write_xlsx(table)));
  EXPECT_EQ(read.columns, table.columns);
  EXPECT_EQ(read.rows, table.rows);
}

TEST(Xlsx, RefusesWhatIsNoWorkbook) {
  const test::TemporaryFolder folder;
  test::expect_error(ErrorCode::invalid_data, "t.xlsx",
                     [&] { read_xlsx(folder.write("t.xlsx", "no zip")); });
}

TEST(Xlsx, ReadsACutWorkbookWholeOrNotAtAll) {
  const test::TemporaryFolder folder;
  const Table table{.source = "", .columns = {"a"}, .rows = {{"1"}, {"text"}}};
  const std::string whole = write_xlsx(table);
  for (size_t length = 0; length < whole.size(); length += 41) {
    const auto cut = folder.write("cut.xlsx", whole.substr(0, length));
    try {
      EXPECT_EQ(read_xlsx(cut).rows, table.rows) << length;
    } catch (const Error&) {
      continue;
    }
  }
}

}  // namespace
}  // namespace vila::eval
