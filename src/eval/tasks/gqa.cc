// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::gqa {
namespace {

constexpr std::array<std::string_view, 3> kUncountedSteps = {"exist", "query: name", "choose name"};

using Questions = std::vector<std::pair<std::string, Json>>;

// The questions by id, in the order of the file, which decides the order of sums: parsed one by
// one, since the whole of a split is large. @throws Error{invalid_data}
Questions read_questions(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  JsonCursor cursor(text, path.string());
  Questions questions;
  std::string id;
  cursor.enter_object();
  while (cursor.next_key(id)) {
    if (cursor.peek() != JsonCursor::Kind::object) cursor.fail_here("a question");
    const std::string place = fmt::format("{}: {}", path.string(), id);
    questions.emplace_back(id, parse_json(cursor.take_value(), place));
  }
  cursor.finish();
  return questions;
}

// A string member of a question. @throws Error{invalid_data}
std::string text_at(const Json& question, const Json::json_pointer& where, const std::string& row) {
  if (!question.contains(where) || !question.at(where).is_string()) {
    fail(ErrorCode::invalid_data, "{}: expected a text at {}", row, where.to_string());
  }
  return question.at(where).get<std::string>();
}

std::string prediction_of(const Answer& answer, AnswerForm form) {
  if (form == AnswerForm::submission) return answer.text;
  std::string_view text = answer.text;
  text = text.substr(0, text.find_last_not_of('.') + 1);
  return python_lower(text);
}

int64_t count_steps(const Json& question) {
  if (!question.contains("semantic") || !question["semantic"].is_array()) return 0;
  return std::count_if(
      question["semantic"].begin(), question["semantic"].end(), [](const Json& step) {
        const std::string text =
            fmt::format("{}: {}", json_get<std::string>(step, "operation", "", "semantic"),
                        json_get<std::string>(step, "argument", "", "semantic"));
        return std::none_of(
            kUncountedSteps.begin(), kUncountedSteps.end(),
            [&](std::string_view part) { return text.find(part) != std::string::npos; });
      });
}

// How far the counts of predicted answers are from those of gold answers, by global group. Every
// gold answer of a group is a cell, in the order in which they come, which decides sums.
class Distribution {
 public:
  void add(const Json& question, const std::string& gold, const std::string& predicted) {
    const Json::json_pointer where("/groups/global");
    Unit& unit = units_.emplace_back();
    if (!question.contains(where) || !question.at(where).is_string()) return;
    unit.group = number_of(group_numbers_, question.at(where).get<std::string>());
    unit.gold = number_of(cell_numbers_, fmt::format("{}\n{}", unit.group, gold));
    unit.predicted = fmt::format("{}\n{}", unit.group, predicted);
    if (static_cast<size_t>(unit.gold) == cell_groups_.size()) cell_groups_.push_back(unit.group);
  }

  // Adds the figure with its interval.
  void report(Score& score) {
    for (Unit& unit : units_) {
      const auto found = cell_numbers_.find(unit.predicted);
      if (found != cell_numbers_.end()) unit.hit = found->second;
    }
    Metric metric;
    metric.name = "distribution";
    metric.value = value(std::vector<double>(units_.size(), 1.0));
    metric.shown = fixed(metric.value, 2);
    metric.count = std::ssize(units_);
    if (!units_.empty()) {
      metric.interval = bootstrap_units(
          units_.size(), [this](std::span<const double> times) { return value(times); });
    }
    score.metrics.push_back(std::move(metric));
  }

 private:
  using Numbers = std::unordered_map<std::string, int64_t>;

  // A question: its group, the cell of its gold answer, and that of the predicted one (-1: none).
  struct Unit {
    int64_t group = -1;
    int64_t gold = -1;
    int64_t hit = -1;
    std::string predicted;
  };

  static int64_t number_of(Numbers& numbers, std::string text) {
    return numbers.emplace(std::move(text), std::ssize(numbers)).first->second;
  }

  // Chi-square of each group, weighted by its questions, when each unit counts so many times.
  double value(std::span<const double> times) const {
    std::vector<double> expected(cell_groups_.size());
    std::vector<double> observed(cell_groups_.size());
    std::vector<double> sizes(group_numbers_.size());
    for (size_t i = 0; i < units_.size(); ++i) {
      const Unit& unit = units_[i];
      if (unit.group < 0) continue;
      expected[static_cast<size_t>(unit.gold)] += times[i];
      sizes[static_cast<size_t>(unit.group)] += times[i];
      if (unit.hit >= 0) observed[static_cast<size_t>(unit.hit)] += times[i];
    }
    std::vector<double> chi_squares(sizes.size());
    for (size_t cell = 0; cell < expected.size(); ++cell) {
      const double gap = observed[cell] - expected[cell];
      if (expected[cell] > 0)
        chi_squares[static_cast<size_t>(cell_groups_[cell])] += gap * gap / expected[cell];
    }
    double sum = 0;
    double total = 0;
    for (size_t group = 0; group < sizes.size(); ++group) {
      sum += chi_squares[group] * sizes[group];
      total += sizes[group];
    }
    return total > 0 ? sum / total / 100 : 0;
  }

  Numbers group_numbers_;
  Numbers cell_numbers_;
  std::vector<int64_t> cell_groups_;  // of each cell
  std::vector<Unit> units_;
};

struct Tables {
  std::vector<double> all;
  Groups kinds;  // binary, open
  Groups structural;
  Groups semantic;
  Groups steps;
  Groups words;
  Distribution distribution;
};

void report(Tables& tables, Score& score) {
  Metric& accuracy = score.add("accuracy", percentage_of(tables.all));
  accuracy.value = 100 * python_mean(tables.all);
  accuracy.shown = fixed(accuracy.value, 2);
  tables.kinds.report(score, "kind");
  tables.distribution.report(score);
  tables.structural.report(score, "structural");
  tables.semantic.report(score, "semantic");
  tables.steps.report(score, "steps");
  tables.words.report(score, "words");
}

void add_question(const Json& question, const ItemScore& item, const std::string& row,
                  Tables& tables) {
  const std::string structural = text_at(question, Json::json_pointer("/types/structural"), row);
  const auto words = python_split(text_at(question, Json::json_pointer("/question"), row)).size();
  tables.all.push_back(item.score);
  tables.kinds.add(structural == "query" ? "open" : "binary", item.score);
  tables.structural.add(structural, item.score);
  tables.semantic.add(text_at(question, Json::json_pointer("/types/semantic"), row), item.score);
  tables.steps.add(fmt::format("{:02}", count_steps(question)), item.score);
  tables.words.add(fmt::format("{:02}", words), item.score);
  tables.distribution.add(question, item.gold, item.parsed);
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  if (const auto llava = data.find({"llava_gqa_testdev_balanced.jsonl", "questions.jsonl"})) {
    return read_llava_questions(*llava);
  }
  const auto path = data.require("the questions", {"llava_gqa_testdev_balanced.jsonl",
                                                   "*_questions.json", "gqa_questions.json"});
  std::vector<Question> questions;
  for (const auto& [id, row] : read_questions(path)) {
    Question question;
    question.id = id;
    question.row = fmt::format("{}: question {}", path.string(), id);
    question.image = text_at(row, Json::json_pointer("/imageId"), question.row) + ".jpg";
    question.prompt = text_at(row, Json::json_pointer("/question"), question.row);
    question.prompt += kSingleWord;
    questions.push_back(std::move(question));
  }
  return questions;
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  const auto path = data.find({"testdev_balanced_questions.json", "gqa_questions.json",
                               "*_balanced_questions.json", "*_questions.json"});
  if (!path) return score_on_server("gqa", answers, "GQA's evaluation server");
  Score score;
  score.task = "gqa";
  AnswerIndex index(answers);
  Tables tables;
  for (const auto& [id, question] : read_questions(*path)) {
    const std::string row = fmt::format("{}: question {}", path->string(), id);
    const bool is_balanced = json_get<bool>(question, "isBalanced", true, row);
    const Answer* answer = is_balanced ? require_answer(index, id, row, options) : index.find(id);
    if (answer == nullptr || !is_balanced) continue;
    ItemScore item;
    item.id = id;
    item.gold = text_at(question, Json::json_pointer("/answer"), row);
    item.parsed = prediction_of(*answer, answers.form);
    item.score = item.parsed == item.gold ? 1 : 0;
    item.outcome = outcome_of(item.score);
    item.category = text_at(question, Json::json_pointer("/types/structural"), row);
    add_question(question, item, row, tables);
    score.items.push_back(std::move(item));
  }
  report(tables, score);
  note_leftovers(index, score);
  return score;
}

Upload upload(const DataFolder& /*data*/, const Answers& answers) {
  Upload upload{.content = "[", .name = "testdev_balanced_predictions.json"};
  for (const Answer& answer : answers.rows) {
    upload.content += fmt::format("{}{{\"questionId\": {}, \"prediction\": {}}}",
                                  upload.content.size() > 1 ? ", " : "", python_json(answer.id),
                                  python_json(prediction_of(answer, answers.form)));
  }
  upload.content += "]";
  return upload;
}

}  // namespace vila::eval::gqa
