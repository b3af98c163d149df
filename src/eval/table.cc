// SPDX-License-Identifier: Apache-2.0
#include "eval/table.h"

#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

namespace vila::eval {
namespace {

constexpr std::array<std::string_view, 18> kMissing = {
    "",     "#N/A", "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND",
    "<NA>", "N/A",  "NA",       "NULL", "NaN",     "None",     "n/a",  "nan",  "null"};

// Reads cells one by one. A view of the text.
class CellReader {
 public:
  CellReader(std::string_view text, std::string source, char separator)
      : text_(text), source_(std::move(source)), separator_(separator), ends_{separator, '\n'} {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  bool is_done() const { return at_ >= text_.size(); }

  int64_t line() const { return line_; }

  std::vector<std::string> next_row() {
    std::vector<std::string> cells;
    do {
      cells.push_back(next_cell());
    } while (take(separator_));
    take('\r');
    if (take('\n')) ++line_;
    return cells;
  }

 private:
  bool take(char c) {
    if (is_done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string next_cell() {
    if (take('"')) return quoted_cell();
    const size_t end = std::min(text_.find_first_of(ends_, at_), text_.size());
    std::string cell(text_.substr(at_, end - at_));
    at_ = end;
    if (cell.ends_with('\r')) cell.pop_back();
    return cell;
  }

  std::string quoted_cell() {
    const int64_t begin = line_;
    std::string cell;
    for (;; ++at_) {
      if (is_done()) {
        fail(ErrorCode::invalid_data, "{}:{}: expected the end of a quoted cell, found the end",
             source_, begin);
      }
      if (text_[at_] == '"') {
        ++at_;
        if (is_done() || text_[at_] != '"') break;
      }
      if (text_[at_] == '\n') ++line_;
      cell += text_[at_];
    }
    return cell;
  }

  std::string_view text_;
  std::string source_;
  char separator_;
  std::string ends_;  // of a cell without quotes
  size_t at_ = 0;
  int64_t line_ = 1;
};

Table read_separated(const std::filesystem::path& path, char separator,
                     const std::vector<std::string>& columns) {
  const std::string text = read_file(path);
  Table table{.source = path.string(), .columns = columns, .rows = {}};
  CellReader reader(text, table.source, separator);
  if (reader.is_done())
    fail(ErrorCode::invalid_data, "{}: expected a table, found nothing", table.source);
  if (columns.empty()) table.columns = reader.next_row();
  while (!reader.is_done()) {
    const int64_t line = reader.line();
    std::vector<std::string> row = reader.next_row();
    if (row.size() == 1 && row[0].empty()) continue;
    if (row.size() != table.columns.size()) {
      fail(ErrorCode::invalid_data, "{}:{}: expected {} cells, found {}; is the file cut short?",
           table.source, line, table.columns.size(), row.size());
    }
    for (const std::string& cell : row) {
      if (is_valid_utf8(cell)) continue;
      fail(ErrorCode::invalid_data, "{}:{}: expected UTF-8, found \"{}\"", table.source, line,
           replace_invalid_utf8(cell.substr(0, 40)));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

std::optional<size_t> Table::find_column(std::string_view name) const {
  const auto found = std::find(columns.begin(), columns.end(), name);
  if (found == columns.end()) return std::nullopt;
  return static_cast<size_t>(found - columns.begin());
}

size_t Table::column(std::string_view name) const {
  if (const auto found = find_column(name)) return *found;
  fail(ErrorCode::invalid_data, "{}: expected a column \"{}\", found {}", source, name,
       fmt::join(columns, ", "));
}

Table read_tsv(const std::filesystem::path& path) {
  return read_separated(path, '\t', {});
}

Table read_csv(const std::filesystem::path& path, const std::vector<std::string>& columns) {
  return read_separated(path, ',', columns);
}

bool is_missing(std::string_view cell) {
  return cell == "none" || std::find(kMissing.begin(), kMissing.end(), cell) != kMissing.end();
}

}  // namespace vila::eval
