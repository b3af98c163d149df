// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace vila::eval {

/// One row of a benchmark's file, whatever its format. Copies share the columns.
class Row {
 public:
  Row(Json columns, std::string where);

  std::string place;  // "file: row 3", for messages

  /// An object of columns, with "file", the name of the file without extension, and "row", the
  /// number from 0, where the file has no such columns itself.
  Json& columns() const { return *columns_; }

 private:
  std::shared_ptr<Json> columns_;
};

/// How rows lie in a file.
struct RowFormat {
  std::string member;                // JSON: the member that holds the rows; "" for the whole
  std::vector<std::string> columns;  // CSV without a header: its columns
};

/// Rows of a file by its extension: .tsv (as read_tsv()), .csv (the same with commas), .jsonl, and
/// .json: an array of objects, or an object of them by identifier, which becomes the column "key"
/// (and a value that is no object the column "value").
/// @throws Error{not_found}, Error{invalid_data} naming file and row.
std::vector<Row> read_rows(const std::filesystem::path& path, const RowFormat& format);

/// The value at a dotted path; an array on the way gives the array of what follows for each of its
/// items. null where there is none.
Json value_at(const Json& columns, std::string_view path);

/// The value as text: a string as it is, null as "", a list joined by ", ", anything else as JSON.
std::string text_of(const Json& value);

/// A value as a list of texts: of an array or a list as Python prints it each item, of null none,
/// of anything else the one.
std::vector<std::string> texts_of(const Json& value);

/// `form` with each {{path}} replaced by the text of its value in `columns`; {{path?}} by the text
/// and a newline, or by nothing where there is no text; {{path:12}} by the text with zeros in front
/// to that length.
/// @throws Error{invalid_config} for braces that do not close; Error{invalid_data} naming `place`
///         and the path where a row has no such column.
std::string fill(std::string_view form, const Row& row);

}  // namespace vila::eval
