// SPDX-License-Identifier: Apache-2.0
#include "eval/tasks/tables.h"

#include <map>

#include "base/error.h"
#include "eval/choice.h"
#include "eval/metrics.h"
#include "eval/python_text.h"
#include "eval/table.h"
#include "eval/tasks/common.h"

namespace vila::eval::tables {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJ";

Table read_table(const Row& row, const DataFolder& data) {
  return read_tsv(data.require("the table of the questions", {row.file}));
}

std::string cell(const Table& table, size_t row, std::string_view name) {
  const auto column = table.find_column(name);
  if (!column || is_missing(table.rows[row][*column])) return "";
  return table.rows[row][*column];
}

Choices choices_of(const Table& table, size_t row) {
  Choices choices;
  for (const char letter : kLetters) {
    std::string text = cell(table, row, std::string_view(&letter, 1));
    if (text.empty()) break;
    choices.emplace_back(letter, std::move(text));
  }
  return choices;
}

std::string place_of(const Table& table, size_t row) {
  return fmt::format("{}: row {}", table.source, row + 1);
}

std::string prompt_of(const Table& table, size_t row, Rule rule) {
  std::string prompt = cell(table, row, "hint");
  if (!prompt.empty()) prompt += "\n";
  prompt += cell(table, row, "question");
  const Choices choices = choices_of(table, row);
  const bool is_choice = rule == Rule::choice || (rule == Rule::guess && !choices.empty());
  for (const auto& [letter, text] : choices)
    prompt += fmt::format("\n{}. {}", letter, text);
  prompt += is_choice ? kOptionLetter : kSingleWord;
  return prompt;
}

// Score and the answer as it was compared.
void judge(Rule rule, const Answer& answer, const Choices& choices, ItemScore& item) {
  item.parsed = std::string(python_strip(answer.text));
  if (rule == Rule::guess) rule = choices.empty() ? Rule::exact : Rule::choice;
  switch (rule) {
    case Rule::choice: {
      const char letter = infer_choice(answer.text, choices);
      item.parsed = letter == '\0' ? "" : std::string(1, letter);
      item.score = item.parsed == item.gold ? 1 : 0;
      break;
    }
    case Rule::relaxed:
      item.score = is_relaxed_match(item.parsed, item.gold) ? 1 : 0;
      break;
    case Rule::anls:
      item.score = anls(item.parsed, python_list(item.gold));
      break;
    case Rule::exact:
    case Rule::guess:
      item.score = python_lower(item.parsed) == python_lower(python_strip(item.gold)) ? 1 : 0;
      break;
  }
  item.outcome = item.parsed.empty() ? Outcome::unparsed : outcome_of(item.score);
}

// The mean of the splits' means where a rule asks for it, else of all.
Statistic reported(Rule rule, const std::map<std::string, std::vector<double>>& splits,
                   std::span<const double> all) {
  if (rule != Rule::relaxed || splits.size() < 2) return percentage_of(all);
  Statistic statistic;
  std::vector<double> counts;
  for (const auto& [name, scores] : splits) {
    Stratum& stratum = statistic.strata.emplace_back();
    for (const double found : scores)
      stratum.add({found});
    counts.push_back(static_cast<double>(scores.size()));
  }
  statistic.formula = [counts](std::span<const std::vector<double>> sums) {
    double total = 0;
    for (size_t i = 0; i < sums.size(); ++i)
      total += 100 * sums[i][0] / counts[i];
    return total / static_cast<double>(sums.size());
  };
  return statistic;
}

}  // namespace

std::vector<Question> questions(const Row& row, const DataFolder& data) {
  const Table table = read_table(row, data);
  const size_t index = table.column("index");
  std::map<std::string, std::string> pictures;  // by index: rows may share one
  std::vector<Question> questions;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    Question question;
    question.id = table.rows[i][index];
    question.row = place_of(table, i);
    question.image = cell(table, i, "image_path");
    question.image_bytes = cell(table, i, "image");
    if (const auto other = pictures.find(question.image_bytes); other != pictures.end()) {
      question.image_bytes = other->second;
    }
    pictures[question.id] = question.image_bytes;
    question.prompt = prompt_of(table, i, row.rule);
    question.category = cell(table, i, "category");
    questions.push_back(std::move(question));
  }
  return questions;
}

Score score(const Row& row, const DataFolder& data, const Answers& answers,
            const ScoreOptions& options) {
  const Table table = read_table(row, data);
  const size_t index = table.column("index");
  if (!table.find_column("answer")) return score_on_server(row.name, answers, "its server");
  Score score;
  score.task = row.name;
  AnswerIndex answer_index(answers);
  std::vector<double> all;
  std::map<std::string, std::vector<double>> splits;
  Groups split_groups;
  Groups categories;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const Answer* answer =
        require_answer(answer_index, table.rows[i][index], place_of(table, i), options);
    if (answer == nullptr) continue;
    ItemScore item;
    item.id = table.rows[i][index];
    item.category = cell(table, i, "category");
    item.gold = cell(table, i, "answer");
    judge(row.rule, *answer, choices_of(table, i), item);
    const std::string split = cell(table, i, "split");
    all.push_back(item.score);
    splits[split].push_back(item.score);
    if (!split.empty()) split_groups.add(split, item.score);
    if (!item.category.empty()) categories.add(item.category, item.score);
    score.items.push_back(std::move(item));
  }
  score.add(row.rule == Rule::anls ? "ANLS" : "accuracy", reported(row.rule, splits, all));
  split_groups.report(score, "split");
  categories.report(score, "category");
  note_leftovers(answer_index, score);
  return score;
}

}  // namespace vila::eval::tables
