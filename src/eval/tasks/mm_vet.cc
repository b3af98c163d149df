// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::mm_vet {
namespace {

namespace fs = std::filesystem;

struct Item {
  std::string id;  // "v1_0"
  std::string image;
  std::string question;
  std::string answer;
  std::set<std::string> capabilities;
};

Item read_item(JsonCursor& cursor, std::string id) {
  Item item;
  item.id = std::move(id);
  std::string key;
  std::string capability;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key == "imagename") {
      cursor.string(item.image);
    } else if (key == "question") {
      cursor.string(item.question);
    } else if (key == "answer") {
      cursor.string(item.answer);
    } else if (key == "capability") {
      cursor.enter_array();
      while (cursor.next_item()) {
        cursor.string(capability);
        item.capabilities.insert(capability);
      }
    } else {
      cursor.skip();
    }
  }
  return item;
}

std::vector<Item> read_items(const DataFolder& data) {
  const fs::path path = data.require("MM-Vet's questions", {"mm-vet.json"});
  const std::string text = read_file(path);
  JsonCursor cursor(text, path.string());
  std::vector<Item> items;
  std::string id;
  cursor.enter_object();
  while (cursor.next_key(id))
    items.push_back(read_item(cursor, id));
  cursor.finish();
  return items;
}

// Scores of each run by question.
using Grades = std::map<std::string, std::vector<double>>;

Grades read_grades(const fs::path& path) {
  const std::string text = read_file(path);
  JsonCursor cursor(text, path.string());
  Grades grades;
  std::string id;
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(id)) {
    std::vector<double>& scores = grades[id];
    cursor.enter_object();
    while (cursor.next_key(key)) {
      if (key != "score") {
        cursor.skip();
        continue;
      }
      cursor.enter_array();
      while (cursor.next_item())
        scores.push_back(cursor.number());
    }
    if (scores.empty()) cursor.fail_here("a member \"score\" with a grade before this");
  }
  cursor.finish();
  return grades;
}

std::vector<fs::path> grade_files(const DataFolder& data, const Answers& answers) {
  if (answers.form == AnswerForm::judged) return {answers.source};
  std::vector<fs::path> files;
  for (const fs::path& path : data.all("*.json")) {
    if (path.filename().string().find("grade") != std::string::npos) files.push_back(path);
  }
  return files;
}

// The grades of the questions of one group: a capability, a combination, or all.
struct Group {
  std::vector<double> means;     // over the runs, of each question: for the interval
  std::vector<double> run_sums;  // over the questions, of each run: what the evaluator adds up

  void add(std::span<const double> grades) {
    means.push_back(python_mean(grades));
    run_sums.resize(grades.size());
    for (size_t run = 0; run < grades.size(); ++run)
      run_sums[run] += grades[run];
  }

  // In the order of the evaluator's operations, since a tie may round either way: the percentage
  // of each run, then their mean, rounded as numpy does.
  double percentage() const {
    std::vector<double> percentages;
    for (const double sum : run_sums)
      percentages.push_back(sum / static_cast<double>(means.size()) * 100);
    return numpy_round(python_mean(percentages), 1);
  }
};

using GroupsByName = std::map<std::string, Group>;

void report_group(const std::string& name, const Group& group, Score& score) {
  Metric& metric = score.add(name, percentage_of(group.means));
  metric.value = group.percentage();
  metric.shown = fixed(metric.value, 1);
}

// Percentages of the runs from the sums of their grades.
std::vector<double> totals_of(std::span<const double> sums, double questions) {
  std::vector<double> totals;
  for (const double sum : sums)
    totals.push_back(sum / questions * 100);
  return totals;
}

// Population standard deviation.
double deviation(std::span<const double> totals) {
  const double mean = python_mean(totals);
  double squares = 0;
  for (const double total : totals)
    squares += (total - mean) * (total - mean);
  return std::sqrt(squares / static_cast<double>(totals.size()));
}

// How far the runs are apart, and each of them.
void report_runs(const std::vector<Item>& items, const Grades& grades, size_t runs, Score& score) {
  Stratum stratum;
  for (const Item& item : items) {
    const auto& graded = grades.at(item.id);
    stratum.add({graded.begin(), graded.begin() + static_cast<std::ptrdiff_t>(runs)});
  }
  const auto count = static_cast<double>(items.size());
  const auto add = [&](const std::string& name, auto&& formula) {
    Metric& metric = score.add(name, {.strata = {stratum}, .formula = formula});
    metric.value = numpy_round(metric.value, 1);
    metric.shown = fixed(metric.value, 1);
  };
  using Sums = std::span<const std::vector<double>>;
  add("std of runs", [count](Sums sums) { return deviation(totals_of(sums[0], count)); });
  for (size_t run = 0; run < runs; ++run) {
    add(fmt::format("run {}", run + 1),
        [count, run](Sums sums) { return totals_of(sums[0], count)[run]; });
  }
}

size_t count_runs(const std::vector<Item>& items, const Grades& grades, const fs::path& path) {
  size_t runs = SIZE_MAX;
  for (const Item& item : items) {
    const auto found = grades.find(item.id);
    if (found == grades.end()) {
      fail(ErrorCode::invalid_data, "{}: expected a grade of {}, found none", path.string(),
           item.id);
    }
    runs = std::min(runs, found->second.size());
  }
  return runs;
}

// How many runs every question has a grade of; 0 for grades of other questions or of a part.
size_t complete_runs(const std::vector<Item>& items, const Grades& grades) {
  size_t runs = SIZE_MAX;
  for (const Item& item : items) {
    const auto found = grades.find(item.id);
    runs = std::min(runs, found == grades.end() ? 0 : found->second.size());
  }
  return runs;
}

// Of several files of grades that with the most runs, the first on a tie: its mean varies least.
fs::path most_runs(const std::vector<Item>& items, std::span<const fs::path> paths) {
  fs::path best = paths.front();
  size_t most = 0;
  for (size_t i = 0; paths.size() > 1 && i < paths.size(); ++i) {
    const size_t runs = complete_runs(items, read_grades(paths[i]));
    if (runs <= most) continue;
    most = runs;
    best = paths[i];
  }
  return best;
}

Score score_grades(const std::vector<Item>& items, const fs::path& path) {
  const Grades grades = read_grades(path);
  const size_t runs = count_runs(items, grades, path);
  Score score;
  score.task = "mm-vet";
  Group all;
  GroupsByName capabilities;
  GroupsByName combinations;
  for (const Item& item : items) {
    const auto& graded = grades.at(item.id);
    const auto counted = std::span(graded).first(runs);
    all.add(counted);
    for (const std::string& capability : item.capabilities)
      capabilities[capability].add(counted);
    const std::string combination = fmt::format("{}", fmt::join(item.capabilities, "_"));
    combinations[combination].add(counted);
    const double mean = all.means.back();
    score.items.push_back({.id = item.id,
                           .category = combination,
                           .parsed = fmt::format("{}", fmt::join(graded, " ")),
                           .gold = item.answer,
                           .score = mean,
                           .outcome = outcome_of(mean)});
  }
  report_group("total", all, score);
  for (const auto& [name, group] : capabilities)
    report_group("capability: " + name, group, score);
  for (const auto& [name, group] : combinations)
    report_group("combination: " + name, group, score);
  report_runs(items, grades, runs, score);
  return score;
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  if (const auto llava = data.find({"llava-mm-vet.jsonl"})) return read_llava_questions(*llava);
  std::vector<Question> questions;
  for (Item& item : read_items(data)) {
    Question question;
    question.id = item.id.substr(item.id.rfind('_') + 1);
    question.id_is_number = true;
    question.row = "mm-vet.json: " + item.id;
    question.image = std::move(item.image);
    question.prompt = std::move(item.question);
    questions.push_back(std::move(question));
  }
  return questions;
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& /*options*/) {
  const std::vector<fs::path> paths = grade_files(data, answers);
  if (paths.empty()) {
    return score_on_server("mm-vet", answers,
                           "MM-Vet's online evaluator or a judge; then score its file of grades "
                           "as --answers");
  }
  const std::vector<Item> items = read_items(data);
  const fs::path chosen = most_runs(items, paths);
  Score score = score_grades(items, chosen);
  if (paths.size() > 1) {
    score.notes.push_back(
        fmt::format("{} files of grades in the data, that with the most runs is scored: {}",
                    paths.size(), chosen.string()));
  }
  return score;
}

Upload upload(const DataFolder& /*data*/, const Answers& answers) {
  Upload upload{.content = "{", .name = "mm_vet_results.json"};
  for (const Answer& answer : answers.rows) {
    const std::string id = answer.id.starts_with("v1_") ? answer.id : "v1_" + answer.id;
    upload.content += fmt::format("{}\n  {}: {}", upload.content.size() > 1 ? "," : "",
                                  python_json(id), python_json(answer.text));
  }
  upload.content += "\n}";
  return upload;
}

}  // namespace vila::eval::mm_vet
