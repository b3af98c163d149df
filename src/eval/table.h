// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vila::eval {

/// Rows of text under named columns. A value; every row has as many cells as there are columns.
struct Table {
  std::string source;  // the file, for messages
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  std::optional<size_t> find_column(std::string_view name) const;
  /// @throws Error{invalid_data} naming the file and the columns that it has.
  size_t column(std::string_view name) const;
};

/// Tab-separated text as pandas.read_table reads it: a header, cells in double quotes may hold
/// tabs, newlines and doubled quotes. @throws Error{not_found}, Error{invalid_data} naming file and
/// line.
Table read_tsv(const std::filesystem::path& path);

/// The same with commas in place of tabs. @param columns  names, where the file has no header;
/// empty: its first row has them.
Table read_csv(const std::filesystem::path& path, const std::vector<std::string>& columns = {});

/// The first sheet of an Office Open XML workbook. @throws Error{not_found | invalid_data}
Table read_xlsx(const std::filesystem::path& path);

/// A workbook of one sheet, its cells as openpyxl writes them: text inline, digits as numbers.
/// @return the bytes of the file
std::string write_xlsx(const Table& table);

/// The cells of a sheet as XML, as openpyxl writes it.
std::string sheet_xml(const Table& table);

/// Whether pandas takes the cell for "not a number", or LLaVA for none.
bool is_missing(std::string_view cell);

}  // namespace vila::eval
