// SPDX-License-Identifier: Apache-2.0
#include "eval/recipe_rows.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strings.h"
#include "eval/python_text.h"
#include "eval/tasks/common.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr size_t kLongestName = 200;  // of a file or row; longer texts are encoded pictures

bool is_form(std::string_view name) {
  return name.starts_with('*') || name.ends_with('*');
}

std::vector<fs::path> source_files(const DataFolder& data, const RowSource& source) {
  for (const std::string& name : source.files) {
    std::vector<fs::path> found = data.all(name);
    if (!found.empty() && !is_form(name)) found.resize(1);
    if (!found.empty()) return found;
  }
  fail(ErrorCode::not_found, "{}: expected {}, found none; put the published file there",
       data.root().string(), fmt::join(source.files, " or "));
}

bool passes(const Row& row, const std::map<std::string, std::string>& where) {
  return std::all_of(where.begin(), where.end(), [&](const auto& condition) {
    return text_of(value_at(row.columns(), condition.first)) == condition.second;
  });
}

std::vector<Row> source_rows(const DataFolder& data, const RowSource& source) {
  std::vector<Row> rows;
  for (const fs::path& path : source_files(data, source)) {
    for (Row& row : read_rows(path, source.format)) {
      if (passes(row, source.where)) rows.push_back(std::move(row));
    }
  }
  if (rows.empty()) {
    fail(ErrorCode::invalid_data, "{}: expected rows in {}, found none", data.root().string(),
         fmt::join(source.files, " or "));
  }
  return rows;
}

void apply_join(const DataFolder& data, const Join& join, std::vector<Row>& rows) {
  std::unordered_map<std::string, std::vector<Json>> others;
  for (Row& other : source_rows(data, join.source))
    others[text_of(value_at(other.columns(), join.key))].push_back(std::move(other.columns()));
  for (Row& row : rows) {
    const std::string key = text_of(value_at(row.columns(), join.with));
    const auto found = others.find(key);
    if (found == others.end()) {
      if (join.drops_unmatched) {
        row.columns() = nullptr;
        continue;
      }
      fail(ErrorCode::invalid_data, "{}: expected a row of {} whose {} is \"{}\", found none",
           row.place, fmt::join(join.source.files, " or "), join.key, key);
    }
    if (!join.as.empty()) {
      row.columns()[join.as] = found->second;
      continue;
    }
    for (const auto& [name, value] : found->second.front().items()) {
      if (!row.columns().contains(name)) row.columns()[name] = value;
    }
  }
  std::erase_if(rows, [](const Row& row) { return row.columns().is_null(); });
}

// The length of "A. ", "A: " or "(A) " in front of an option that has this letter.
size_t label_length(std::string_view text, char letter) {
  const std::string name(1, letter);
  for (const std::string& label : {name + ". ", name + ": ", name + ") ", "(" + name + ") "}) {
    if (text.starts_with(label)) return label.size();
  }
  return 0;
}

void strip_labels(Choices& choices) {
  const bool has_labels = std::all_of(choices.begin(), choices.end(), [](const auto& choice) {
    return label_length(choice.second, choice.first) > 0;
  });
  if (!has_labels) return;
  for (auto& [letter, text] : choices)
    text = text.substr(label_length(text, letter));
}

std::string letter_of(const std::string& gold, const Row& row, const Recipe& recipe,
                      const Choices& choices) {
  if (recipe.target_is_index) {
    size_t index = 0;
    const auto parsed = std::from_chars(gold.data(), gold.data() + gold.size(), index);
    if (parsed.ec == std::errc() && index < choices.size()) return {choices[index].first};
  } else {
    const std::string wanted = python_lower(python_strip(gold));
    for (const auto& [letter, text] : choices) {
      if (python_lower(python_strip(text)) == wanted) return {letter};
    }
  }
  fail(ErrorCode::invalid_data, "{}: expected {} one of {} choices, found \"{}\"", row.place,
       recipe.target_is_index ? "the number of" : "the text of", choices.size(), gold);
}

// Frames at equal distances, as numpy.linspace(0, n - 1, count) cut to whole numbers.
std::vector<PictureSource> frames_of(const std::string& folder, std::vector<std::string> names,
                                     int64_t count) {
  // "frame2" before "frame10": shorter names first.
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  std::vector<PictureSource> frames;
  const auto last = static_cast<int64_t>(names.size()) - 1;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = count == 1 ? 0 : i * last / (count - 1);
    frames.push_back(
        {.file = folder + "/" + names[static_cast<size_t>(at)], .base64 = "", .frames = 0});
  }
  return frames;
}

// A picture in base64: long, or the first bytes of JPEG, PNG, GIF or WebP.
bool is_base64(std::string_view value) {
  constexpr std::array<std::string_view, 4> kStarts = {"/9j/", "iVBOR", "R0lGOD", "UklGR"};
  return value.size() > kLongestName ||
         std::any_of(kStarts.begin(), kStarts.end(),
                     [&](std::string_view start) { return value.starts_with(start); });
}

std::string options_text(const Choices& choices) {
  std::string text;
  for (const auto& [letter, option] : choices)
    text += fmt::format("{}{}. {}", text.empty() ? "" : "\n", letter, option);
  return text;
}

}  // namespace

void add_columns(Row& row, const Choices& choices) {
  row.columns()["options"] = options_text(choices);
  row.columns()["ask"] = std::string((choices.empty() ? kSingleWord : kOptionLetter).substr(1));
  const std::string file = text_of(row.columns()["file"]);
  row.columns()["subject"] = replace_all(file.substr(0, file.rfind('_')), "_", " ");
}

std::vector<Row> load_rows(const DataFolder& data, const RowSource& source, const Join& join) {
  std::vector<Row> rows = source_rows(data, source);
  if (!join.source.files.empty()) apply_join(data, join, rows);
  return rows;
}

std::vector<std::string> row_ids(const std::vector<Row>& rows, const std::string& form) {
  std::vector<std::string> ids;
  std::unordered_map<std::string, const Row*> seen;
  for (const Row& row : rows) {
    ids.push_back(form.empty() ? std::to_string(ids.size()) : fill(form, row));
    const auto [earlier, is_new] = seen.emplace(ids.back(), &row);
    if (!is_new) {
      fail(ErrorCode::invalid_data, "{}: expected an identifier of its own, found \"{}\" of {}",
           row.place, ids.back(), earlier->second->place);
    }
  }
  return ids;
}

Choices choices_of(const Row& row, const std::vector<std::string>& columns) {
  std::vector<std::string> texts;
  if (columns.size() == 1) {
    texts = texts_of(value_at(row.columns(), columns[0]));
    if (texts.size() == 1 && texts[0].empty()) texts.clear();
  }
  for (size_t i = 0; columns.size() > 1 && i < columns.size(); ++i) {
    std::string text = text_of(value_at(row.columns(), columns[i]));
    if (text.empty()) break;
    texts.push_back(std::move(text));
  }
  if (texts.size() > kLetters.size()) {
    fail(ErrorCode::invalid_data, "{}: expected at most {} choices, found {}", row.place,
         kLetters.size(), texts.size());
  }
  Choices choices;
  for (std::string& text : texts)
    choices.emplace_back(kLetters[choices.size()], std::move(text));
  strip_labels(choices);
  return choices;
}

std::vector<std::string> golds_of(const Row& row, const Recipe& recipe, const Choices& choices) {
  if (recipe.rule == Rule::perplexity) return {};
  std::vector<std::string> golds = texts_of(value_at(row.columns(), recipe.target));
  if (golds.empty()) {
    fail(ErrorCode::invalid_data, "{}: expected a gold answer in column \"{}\", found none",
         row.place, recipe.target);
  }
  const bool is_choice = !choices.empty() && (recipe.target_is_index || recipe.target_is_text);
  for (size_t i = 0; is_choice && i < golds.size(); ++i)
    golds[i] = letter_of(golds[i], row, recipe, choices);
  return golds;
}

std::vector<PictureSource> PictureFinder::resolve(const std::string& value, const Row& row) {
  if (is_base64(value)) return {{.file = "", .base64 = value, .frames = 0}};
  if (const auto names = data_.pictures_in(value); !names.empty()) {
    return frames_of(value, names, frames_);
  }
  if (const auto other = base64_by_id_.find(value); other != base64_by_id_.end()) {
    return {{.file = "", .base64 = other->second, .frames = 0}};
  }
  if (const auto video = data_.find_video(value)) {
    const std::string file = video->lexically_relative(data_.root()).string();
    return {{.file = file, .base64 = "", .frames = frames_}};
  }
  if (value.find('.') != std::string::npos) return {{.file = value, .base64 = "", .frames = 0}};
  fail(ErrorCode::not_found,
       "{}: expected a folder {} with pictures, or a video of that name, below {}, found none",
       row.place, value, data_.root().string());
}

std::vector<PictureSource> PictureFinder::find(const Row& row, const std::string& id) {
  for (const std::string& form : visual_) {
    const bool is_column = form.find("{{") == std::string::npos;
    std::vector<PictureSource> sources;
    const std::vector<std::string> values =
        is_column ? texts_of(value_at(row.columns(), form)) : std::vector{fill(form, row)};
    for (const std::string& value : values) {
      if (value.empty()) continue;
      for (PictureSource& source : resolve(value, row))
        sources.push_back(std::move(source));
    }
    if (sources.empty()) continue;
    if (sources.size() == 1 && !sources[0].base64.empty()) base64_by_id_[id] = sources[0].base64;
    return sources;
  }
  return {};
}

std::vector<Row> recipe_rows(const Recipe& recipe, const DataFolder& data) {
  std::vector<Row> rows = load_rows(data, recipe.source, recipe.join);
  for (Row& row : rows)
    add_columns(row, choices_of(row, recipe.choices));
  return rows;
}

}  // namespace vila::eval
