// SPDX-License-Identifier: Apache-2.0
#include "eval/rows.h"

#include <algorithm>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "eval/data_folder.h"
#include "eval/metrics.h"
#include "eval/table.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

// Where a row is, as columns, where it has none of these names itself.
void add_origin(Row& row, const std::string& stem, size_t number) {
  row.columns().emplace("file", stem);
  row.columns().emplace("row", number);
}

void add_table(const Table& table, const std::string& stem, std::vector<Row>& rows) {
  for (size_t i = 0; i < table.rows.size(); ++i) {
    Row& row = rows.emplace_back(Json::object(), fmt::format("{}: row {}", table.source, i + 1));
    for (size_t column = 0; column < table.columns.size(); ++column) {
      const std::string& cell = table.rows[i][column];
      row.columns()[table.columns[column]] = is_missing(cell) ? Json("") : Json(cell);
    }
    add_origin(row, stem, i);
  }
}

Row make_row(const Json& value, const std::string& place) {
  return {value.is_object() ? value : Json{{"value", value}}, place};
}

void add_json(const fs::path& path, const RowFormat& format, std::vector<Row>& rows) {
  Json json = read_json_file(path, ErrorCode::invalid_data, {.max_bytes = size_t{1} << 31});
  if (!format.member.empty()) json = value_at(json, format.member);
  if (!json.is_array() && !json.is_object()) {
    fail(ErrorCode::invalid_data, "{}: expected rows{}{}, found none", path.string(),
         format.member.empty() ? "" : " under ", format.member);
  }
  const std::string stem = path.stem().string();
  size_t number = 0;
  for (const auto& [key, value] : json.items()) {
    rows.push_back(make_row(value, fmt::format("{}: row {}", path.string(), number + 1)));
    if (json.is_object()) rows.back().columns()["key"] = key;
    add_origin(rows.back(), stem, number++);
  }
}

void add_lines(const fs::path& path, std::vector<Row>& rows) {
  const std::string stem = path.stem().string();
  size_t count = 0;
  read_jsonl(path, [&](JsonCursor& line, int64_t number) {
    const std::string place = fmt::format("{}:{}", path.string(), number);
    rows.push_back(make_row(parse_json(line.take_value(), place), place));
    add_origin(rows.back(), stem, count++);
  });
}

// What stands in the place of {{field}}.
std::string field_text(std::string_view field, const Row& row) {
  const bool is_optional = field.ends_with('?');
  if (is_optional) field.remove_suffix(1);
  const size_t colon = field.rfind(':');
  const std::string_view path = field.substr(0, colon);
  const Json value = value_at(row.columns(), path);
  std::string text = text_of(value);
  if (is_optional) return text.empty() ? "" : text + "\n";
  if (value.is_null()) {
    fail(ErrorCode::invalid_data, "{}: expected a column \"{}\", found none", row.place, path);
  }
  if (colon == std::string_view::npos) return text;
  const size_t width = std::strtoul(std::string(field.substr(colon + 1)).c_str(), nullptr, 10);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

}  // namespace

Row::Row(Json columns, std::string where)
    : place(std::move(where)), columns_(std::make_shared<Json>(std::move(columns))) {}

std::vector<Row> read_rows(const fs::path& path, const RowFormat& format) {
  std::vector<Row> rows;
  const std::string extension = path.extension().string();
  if (extension == ".tsv") {
    add_table(read_tsv(path), path.stem().string(), rows);
  } else if (extension == ".csv") {
    add_table(read_csv(path, format.columns), path.stem().string(), rows);
  } else if (extension == ".jsonl") {
    add_lines(path, rows);
  } else if (extension == ".json") {
    add_json(path, format, rows);
  } else {
    fail(ErrorCode::invalid_data, "{}: expected .tsv, .csv, .jsonl or .json, found \"{}\"",
         path.string(), extension);
  }
  return rows;
}

Json value_at(const Json& columns, std::string_view path) {
  if (path.empty()) return columns;
  if (columns.is_array()) {
    Json values = Json::array();
    for (const Json& item : columns)
      values.push_back(value_at(item, path));
    return values;
  }
  if (!columns.is_object()) return nullptr;
  // A column's own name may have dots or blanks in it.
  if (const auto whole = columns.find(std::string(path)); whole != columns.end()) return *whole;
  const size_t dot = path.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const auto found = columns.find(std::string(path.substr(0, dot)));
  return found == columns.end() ? Json(nullptr) : value_at(*found, path.substr(dot + 1));
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string joined;
  for (const Json& item : value)
    joined += (joined.empty() ? "" : ", ") + text_of(item);
  return joined;
}

std::vector<std::string> texts_of(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return python_list(value.get<std::string>());
  if (!value.is_array()) return {text_of(value)};
  std::vector<std::string> texts;
  for (const Json& item : value)
    texts.push_back(text_of(item));
  return texts;
}

std::string fill(std::string_view form, const Row& row) {
  std::string filled;
  for (size_t at = 0; at < form.size();) {
    const size_t open = form.find("{{", at);
    filled += form.substr(at, open - at);
    if (open == std::string_view::npos) break;
    const size_t close = form.find("}}", open);
    if (close == std::string_view::npos) {
      fail(ErrorCode::invalid_config, "expected \"}}}}\" after \"{}\"", form.substr(open));
    }
    std::string_view path = form.substr(open + 2, close - open - 2);
    path = path.substr(std::min(path.find_first_not_of(' '), path.size()));
    path = path.substr(0, path.find_last_not_of(' ') + 1);
    filled += field_text(path, row);
    at = close + 2;
  }
  return filled;
}

}  // namespace vila::eval
