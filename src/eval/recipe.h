// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "eval/rows.h"
#include "eval/rules.h"
#include "eval/task.h"

namespace vila::eval {

/// Where rows come from. A value.
struct RowSource {
  std::vector<std::string> files;  // names; '*' at the start or end takes every file of that form
  RowFormat format;
  std::map<std::string, std::string> where;  // only rows whose columns have these texts
};

/// Rows of a second file that complete those of the first: annotations of questions.
struct Join {
  RowSource source;
  std::string key;   // path in the rows of `source`
  std::string with;  // path in the first rows that has the same text
  std::string as;    // the matching rows become this column, as a list; "": the columns of the one
  bool drops_unmatched = false;  // rows that have no match are no questions; else they are refused
};

/// Solved examples in front of each question, the same ones for all: `count` rows of `source`,
/// those whose `by` column has the question's text, the first ones or (with a seed) drawn.
struct FewShot {
  RowSource source;
  Join join;
  std::string text;                 // form of an example, its answer in it
  std::vector<std::string> visual;  // as the recipe's; empty: those
  std::string target;  // path of the answer, of a list the most frequent; "": the recipe's
  std::string by;
  int64_t count = 0;
  int64_t seed = -1;  // < 0: the first rows
};

/// How the scores of questions make the reported figure.
enum class Aggregate {
  mean,            // over questions
  mean_of_groups,  // of the means of the first `groups` column
};

/// A benchmark as a text file describes it. Keys are those of lmms-eval's task files where it has
/// one for the thing; docs/evaluation.md lists all. A value.
struct Recipe {
  std::string name;
  std::string title;
  RowSource source;
  Join join;
  std::string id;
  std::vector<std::string> visual;   // forms: a file, a folder of frames, or a column with base64
  int64_t frames = 8;                // taken of a folder or a video
  std::vector<std::string> part;     // columns: from which second to which a video is shown; or {}
  std::string text;                  // form; {{options}} is a line for each choice
  std::string description;           // form, in front of everything, for raw prompts
  std::vector<std::string> choices;  // columns, or one column that is a list
  std::string target;                // path of the gold answer
  bool target_is_index = false;      // of a choice, counted from 0
  bool target_is_text = false;       // of a choice
  Rule rule = Rule::exact;
  Asking asking = Asking::generate;
  Aggregate aggregate = Aggregate::mean;
  std::vector<std::string> groups;  // paths of columns whose values get figures of their own
  bool is_raw = false;              // no chat template
  int64_t max_tokens = 128;
  std::vector<std::string> stop;
  FewShot few_shot;
};

/// Reads one. @param source  named in messages. @throws Error{invalid_config} naming the key.
Recipe parse_recipe(const std::string& yaml, const std::string& source);

/// A recipe as a benchmark.
Task recipe_task(const Recipe& recipe);

/// The recipes that come with the program, as YAML, in the order of the list of benchmarks.
std::vector<Recipe> shipped_recipes();

/// The text of one of those: what to start an own one from. @throws Error{invalid_argument}
std::string shipped_recipe_text(std::string_view name);

}  // namespace vila::eval
