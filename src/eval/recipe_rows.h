// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "eval/choice.h"
#include "eval/data_folder.h"
#include "eval/recipe.h"
#include "eval/task.h"

namespace vila::eval {

/// Rows of a source in the order of its files and lines, those of the join in them.
/// @throws Error{not_found} naming folder and files; Error{invalid_data} a row that the join has
///         nothing for.
std::vector<Row> load_rows(const DataFolder& data, const RowSource& source, const Join& join);

/// Adds the columns that forms may use beside a row's own: "options", "ask" (what LLaVA's prompts
/// end with) and "subject" (the file's name without its last part, underscores as blanks).
void add_columns(Row& row, const Choices& choices);

/// The recipe's rows, with those columns. @throws as load_rows()
std::vector<Row> recipe_rows(const Recipe& recipe, const DataFolder& data);

/// The identifier of each row: its form, or without one the row's number from 0.
/// @throws Error{invalid_data} naming both rows that share one.
std::vector<std::string> row_ids(const std::vector<Row>& rows, const std::string& form);

/// The choices of a row: columns named by letter or otherwise up to the first empty one, or a list
/// in one column, whose own "A. " or "(A) " in front is taken off where all have it.
Choices choices_of(const Row& row, const std::vector<std::string>& columns);

/// The gold answers of a row, of a choice as its letter. @throws Error{invalid_data} naming the
/// row.
std::vector<std::string> golds_of(const Row& row, const Recipe& recipe, const Choices& choices);

/// Where the pictures of a row come from: of `visual`, the first that gives any. A text with a '.'
/// is a file, a folder's name gives `frames` of its pictures at equal distances (the first and the
/// last among them), a video's name the video, a long text is base64, and a short one names the row
/// (by identifier) whose picture it is. @throws Error{invalid_data | not_found} naming the row.
class PictureFinder {
 public:
  PictureFinder(const DataFolder& data, std::vector<std::string> visual, int64_t frames)
      : data_(data), visual_(std::move(visual)), frames_(frames) {}

  std::vector<PictureSource> find(const Row& row, const std::string& id);

 private:
  std::vector<PictureSource> resolve(const std::string& value, const Row& row);

  const DataFolder& data_;
  std::vector<std::string> visual_;
  int64_t frames_;
  std::map<std::string, std::string> base64_by_id_;
};

/// The figures of a recipe's answers. @throws as the scorers of tasks/benchmarks.h
Score recipe_score(const Recipe& recipe, const DataFolder& data, const Answers& answers,
                   const ScoreOptions& options);

}  // namespace vila::eval
