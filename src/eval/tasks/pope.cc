// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::pope {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kCategories = {"random", "popular", "adversarial"};

// In which order LLaVA's file has the categories, and what it adds to their numbers.
struct Numbering {
  const char* category;
  int64_t first;
};

constexpr std::array kNumbering = {Numbering{"adversarial", 0}, Numbering{"popular", 20'000'000},
                                   Numbering{"random", 10'000'000}};

// A line of POPE's own files.
struct Label {
  std::string text;
  std::string image;
  bool is_yes = false;
};

std::vector<Label> read_labels(const fs::path& path) {
  std::vector<Label> labels;
  read_jsonl(path, [&](JsonCursor& line, int64_t) {
    Label& label = labels.emplace_back();
    std::string key;
    std::string word;
    line.enter_object();
    while (line.next_key(key)) {
      if (key == "label") {
        line.string(word);
      } else if (key == "text") {
        line.string(label.text);
      } else if (key == "image") {
        line.string(label.image);
      } else {
        line.skip();
      }
    }
    if (word != "yes" && word != "no") line.fail_here("a label \"yes\" or \"no\" before the end");
    label.is_yes = word == "yes";
  });
  return labels;
}

// No only where the first sentence has one of three words, exactly so; all else is yes.
bool says_yes(std::string_view answer) {
  std::string sentence(answer.substr(0, answer.find('.')));
  std::erase(sentence, ',');
  const auto words = split(sentence, " ");
  return std::none_of(words.begin(), words.end(), [](std::string_view word) {
    return word == "No" || word == "not" || word == "no";
  });
}

// Sums of a stratum are these four.
struct Confusion {
  double true_yes = 0;
  double false_yes = 0;
  double true_no = 0;
  double false_no = 0;

  static Confusion of(std::span<const double> sums) {
    if (sums.empty()) return {};
    return {sums[0], sums[1], sums[2], sums[3]};
  }

  double all() const { return true_yes + false_yes + true_no + false_no; }

  // 0 where the script divides by zero.
  static double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

  double precision() const { return ratio(true_yes, true_yes + false_yes); }

  double recall() const { return ratio(true_yes, true_yes + false_no); }

  double f1() const { return ratio(2 * precision() * recall(), precision() + recall()); }

  double accuracy() const { return ratio(true_yes + true_no, all()); }

  double yes_ratio() const { return ratio(true_yes + false_yes, all()); }
};

struct Figure {
  const char* name;
  double (Confusion::*value)() const;
};

constexpr std::array kFigures = {
    Figure{"F1", &Confusion::f1}, Figure{"accuracy", &Confusion::accuracy},
    Figure{"precision", &Confusion::precision}, Figure{"recall", &Confusion::recall},
    Figure{"yes ratio", &Confusion::yes_ratio}};

double mean_f1(std::span<const std::vector<double>> sums) {
  double total = 0;
  for (const auto& category : sums)
    total += Confusion::of(category).f1();
  return 100 * total / static_cast<double>(sums.size());
}

void report(std::span<const Stratum> strata, std::span<const char* const> names, Score& score) {
  score.add("mean F1", {.strata = {strata.begin(), strata.end()}, .formula = mean_f1});
  for (size_t i = 0; i < names.size(); ++i) {
    for (const Figure& figure : kFigures) {
      Metric& metric =
          score.add(fmt::format("{}: {}", names[i], figure.name),
                    {.strata = {strata[i]},
                     .formula = [value = figure.value](std::span<const std::vector<double>> sums) {
                       return (Confusion::of(sums[0]).*value)();
                     }});
      metric.shown = fixed(metric.value, 4);
    }
  }
}

fs::path labels_file(const DataFolder& data, const char* category) {
  return data.require("POPE's labels", {fmt::format("coco_pope_{}.json", category)});
}

// The questions of POPE's own three files, in LLaVA's order and with its numbers.
std::vector<Question> read_own_questions(const DataFolder& data) {
  std::vector<Question> questions;
  for (const auto& [category, first] : kNumbering) {
    const fs::path path = labels_file(data, category);
    int64_t number = 0;
    for (Label& label : read_labels(path)) {
      Question& question = questions.emplace_back();
      question.id = std::to_string(first + ++number);
      question.id_is_number = true;
      question.row = fmt::format("{}: question {}", path.string(), number);
      question.image = std::move(label.image);
      question.prompt = label.text + std::string(kSingleWord);
      question.category = category;
    }
  }
  return questions;
}

// Questions and labels of a category pair by position.
Stratum score_category(const char* category, std::span<const Question> questions,
                       std::span<const Label> labels, AnswerIndex& index,
                       const ScoreOptions& options, Score& score) {
  Stratum stratum;
  size_t position = 0;
  for (const Question& question : questions) {
    if (question.category != category) continue;
    const bool gold = labels[position++].is_yes;
    const Answer* answer = require_answer(index, question.id, question.row, options);
    if (answer == nullptr) continue;
    const bool said = says_yes(answer->text);
    stratum.add({said && gold ? 1.0 : 0.0, said && !gold ? 1.0 : 0.0, !said && !gold ? 1.0 : 0.0,
                 !said && gold ? 1.0 : 0.0});
    score.items.push_back({.id = question.id,
                           .category = category,
                           .parsed = said ? "yes" : "no",
                           .gold = gold ? "yes" : "no",
                           .score = said == gold ? 1.0 : 0.0,
                           .outcome = said == gold ? Outcome::right : Outcome::wrong});
  }
  return stratum;
}

void check_pairing(const fs::path& path, const char* category, std::span<const Question> questions,
                   std::span<const Label> labels) {
  std::vector<const Question*> asked;
  for (const Question& question : questions) {
    if (question.category == category) asked.push_back(&question);
  }
  if (asked.size() != labels.size()) {
    fail(ErrorCode::invalid_data,
         "{}: expected the labels of {} questions, found {}; take POPE's files of commit e3e3926",
         path.string(), asked.size(), labels.size());
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!labels[i].text.empty() && !asked[i]->prompt.starts_with(labels[i].text)) {
      fail(ErrorCode::invalid_data,
           "{}:{}: expected the label of question {} (\"{}\"), found that of \"{}\"", path.string(),
           i + 1, asked[i]->id, asked[i]->prompt.substr(0, 60), labels[i].text);
    }
  }
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  if (const auto llava = data.find({"llava_pope_test.jsonl", "questions.jsonl"})) {
    return read_llava_questions(*llava);
  }
  return read_own_questions(data);
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  const std::vector<Question> asked = questions(data);
  Score score;
  score.task = "pope";
  AnswerIndex index(answers);
  std::vector<Stratum> strata;
  std::vector<const char*> names;
  for (const char* category : kCategories) {
    const fs::path path = labels_file(data, category);
    const std::vector<Label> labels = read_labels(path);
    check_pairing(path, category, asked, labels);
    strata.push_back(score_category(category, asked, labels, index, options, score));
    names.push_back(category);
  }
  report(strata, names, score);
  note_leftovers(index, score);
  return score;
}

}  // namespace vila::eval::pope
