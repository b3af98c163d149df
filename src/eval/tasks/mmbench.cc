// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"
#include "eval/choice.h"
#include "eval/python_text.h"
#include "eval/table.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::mmbench {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPassStep = 1'000'000;  // pass p of question q has the index q + p * kPassStep
constexpr std::string_view kLetters = "ABCD";
constexpr std::string_view kOptionLetterCn = "\n请直接回答选项字母。";

// One edition: its files and how it asks.
struct Edition {
  const char* task;
  std::string_view suffix;
  std::initializer_list<std::string_view> files;
};

const Edition kEnglish = {"mmbench",
                          kOptionLetter,
                          {"mmbench_dev_20230712.tsv", "mmbench_dev_2*", "mmbench_dev_en*",
                           "mmbench_test_en*", "MMBench_DEV_EN*", "*.tsv", "*.xlsx"}};
const Edition kChinese = {"mmbench-cn",
                          kOptionLetterCn,
                          {"mmbench_dev_cn_20231003.tsv", "mmbench_dev_cn*", "mmbench_test_cn*",
                           "MMBench_DEV_CN*", "*.tsv", "*.xlsx"}};

Table read_table(const DataFolder& data, const Edition& edition) {
  const fs::path path = data.require("MMBench's table", edition.files);
  return path.extension() == ".xlsx" ? read_xlsx(path) : read_tsv(path);
}

std::string cell(const Table& table, const std::vector<std::string>& row, std::string_view name) {
  const auto column = table.find_column(name);
  return column ? row[*column] : "";
}

// @throws Error{invalid_data} for what is no number.
int64_t index_of(const Table& table, size_t number) {
  const std::string& text = table.rows[number][table.column("index")];
  int64_t index = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), index);
  if (parsed.ec != std::errc() || text.empty()) {
    fail(ErrorCode::invalid_data, "{}: row {}: expected a number as index, found \"{}\"",
         table.source, number + 1, text.substr(0, 40));
  }
  return index;
}

Choices choices_of(const Table& table, const std::vector<std::string>& row) {
  Choices choices;
  for (const char letter : kLetters) {
    std::string text = cell(table, row, std::string_view(&letter, 1));
    if (is_missing(text)) break;
    choices.emplace_back(letter, std::move(text));
  }
  return choices;
}

std::string prompt_of(const Table& table, const std::vector<std::string>& row,
                      const Choices& choices) {
  std::string prompt;
  const std::string hint = cell(table, row, "hint");
  if (!is_missing(hint)) prompt += hint + "\n";
  prompt += cell(table, row, "question");
  for (const auto& [letter, text] : choices)
    prompt += fmt::format("\n{}. {}", letter, text);
  return prompt;
}

std::vector<Question> read_questions(const DataFolder& data, const Edition& edition) {
  const Table table = read_table(data, edition);
  std::vector<Question> questions;
  std::map<std::string, size_t> by_index;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const Choices choices = choices_of(table, row);
    Question question;
    question.id = std::to_string(index_of(table, i));
    question.id_is_number = true;
    question.row = fmt::format("{}: row {}", table.source, i + 1);
    question.image_bytes = cell(table, row, "image");
    // VLMEvalKit's tables name another row where the picture is that row's.
    if (const auto other = by_index.find(question.image_bytes); other != by_index.end()) {
      question.image_bytes = questions[other->second].image_bytes;
    }
    question.stored_prompt = prompt_of(table, row, choices);
    question.prompt = question.stored_prompt + std::string(edition.suffix);
    for (const auto& [letter, text] : choices)
      question.options.push_back(text);
    by_index[question.id] = i;
    questions.push_back(std::move(question));
  }
  return questions;
}

// All passes of one question.
struct Group {
  std::map<int64_t, bool> right;  // by pass
  std::string category;
  std::string l2_category;

  bool is_hit() const {
    return std::all_of(right.begin(), right.end(), [](const auto& pass) { return pass.second; });
  }
};

using GroupsByQuestion = std::map<int64_t, Group>;

void report(const GroupsByQuestion& groups, Score& score) {
  std::vector<double> hits;
  std::vector<double> first_passes;
  std::vector<double> rows;
  Groups l2_categories;
  Groups categories;
  for (const auto& [index, group] : groups) {
    const double hit = group.is_hit() ? 1 : 0;
    hits.push_back(hit);
    if (!is_missing(group.category)) categories.add(group.category, hit);
    if (!is_missing(group.l2_category)) l2_categories.add(group.l2_category, hit);
    for (const auto& [pass, is_right] : group.right) {
      rows.push_back(is_right ? 1 : 0);
      if (pass == 0) first_passes.push_back(is_right ? 1 : 0);
    }
  }
  for (const auto& [name, scores] :
       {std::pair{"circular", &hits}, {"vanilla", &first_passes}, {"all rows", &rows}}) {
    Metric& metric = score.add(name, mean_of(*scores, 1));
    metric.shown = fixed(metric.value, 6);
  }
  l2_categories.report(score, "group", 4);
  categories.report(score, "category", 4);
}

Score score_edition(const DataFolder& data, const Answers& answers, const ScoreOptions& options,
                    const Edition& edition) {
  const Table table = read_table(data, edition);
  if (!table.find_column("answer")) {
    return score_on_server(edition.task, answers,
                           "nobody: the server is closed; take the dev split");
  }
  Score score;
  score.task = edition.task;
  AnswerIndex index(answers);
  GroupsByQuestion groups;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const int64_t number = index_of(table, i);
    const std::string id = std::to_string(number);
    const Answer* answer =
        require_answer(index, id, fmt::format("{}: row {}", table.source, i + 1), options);
    if (answer == nullptr) continue;
    const char letter = infer_choice(answer->text, choices_of(table, row));
    ItemScore item;
    item.id = id;
    item.category = cell(table, row, "category");
    item.gold = cell(table, row, "answer");
    if (letter != '\0') item.parsed = letter;
    item.score = item.parsed == item.gold ? 1 : 0;
    item.outcome = letter == '\0' ? Outcome::unparsed : outcome_of(item.score);
    Group& group = groups[number % kPassStep];
    group.right[number / kPassStep] = item.score == 1;
    group.category = item.category;
    group.l2_category = cell(table, row, "l2-category");
    score.items.push_back(std::move(item));
  }
  report(groups, score);
  note_leftovers(index, score);
  return score;
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  return read_questions(data, kEnglish);
}

std::vector<Question> questions_cn(const DataFolder& data) {
  return read_questions(data, kChinese);
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  return score_edition(data, answers, options, kEnglish);
}

Score score_cn(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  return score_edition(data, answers, options, kChinese);
}

Upload upload(const DataFolder& data, const Answers& answers) {
  const Table table = read_table(data, kEnglish);
  Table sheet{.source = "upload",
              .columns = {"index", "question", "A", "B", "C", "D", "prediction"},
              .rows = {}};
  for (const char* optional : {"answer", "split"}) {
    if (table.find_column(optional)) sheet.columns.push_back(optional);
  }
  AnswerIndex index(answers);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const std::string id = std::to_string(index_of(table, i));
    const Answer* answer =
        require_answer(index, id, fmt::format("{}: row {}", table.source, i + 1), {});
    auto& row = sheet.rows.emplace_back();
    for (const std::string& column : sheet.columns) {
      std::string text = column == "prediction" ? answer->text : cell(table, table.rows[i], column);
      const bool is_option = column.size() == 1;
      row.push_back(is_option && is_missing(text) ? "" : std::move(text));
    }
  }
  return {.content = write_xlsx(sheet), .name = "mmbench_upload.xlsx"};
}

}  // namespace vila::eval::mmbench
