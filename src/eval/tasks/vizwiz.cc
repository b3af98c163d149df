// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "eval/normalise.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::vizwiz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInsufficient =
    "\nWhen the provided information is insufficient, respond with 'Unanswerable'.";

struct Picture {
  std::string image;
  std::string question;
  std::vector<std::string> answers;
  std::string answer_type;
  bool is_answerable = true;
};

std::vector<std::string> read_humans(JsonCursor& cursor) {
  std::vector<std::string> answers;
  std::string key;
  cursor.enter_array();
  while (cursor.next_item()) {
    std::string& answer = answers.emplace_back();
    cursor.enter_object();
    while (cursor.next_key(key))
      key == "answer" ? cursor.string(answer) : cursor.skip();
  }
  return answers;
}

// test.json, val.json or a made-up one. @throws Error{invalid_data}
std::vector<Picture> read_pictures(const fs::path& path) {
  const std::string text = read_file(path);
  JsonCursor cursor(text, path.string());
  std::vector<Picture> pictures;
  std::string key;
  cursor.enter_array();
  while (cursor.next_item()) {
    Picture& picture = pictures.emplace_back();
    cursor.enter_object();
    while (cursor.next_key(key)) {
      if (key == "image") {
        cursor.string(picture.image);
      } else if (key == "question") {
        cursor.string(picture.question);
      } else if (key == "answers") {
        picture.answers = read_humans(cursor);
      } else if (key == "answer_type") {
        cursor.string(picture.answer_type);
      } else if (key == "answerable") {
        picture.is_answerable = cursor.integer() != 0;
      } else {
        cursor.skip();
      }
    }
    if (picture.image.empty()) cursor.fail_here("a member \"image\" before the end");
  }
  cursor.finish();
  return pictures;
}

// Answers come by picture (the server's form) or by running number; both lead to the picture.
AnswerIndex::Key picture_key(const std::vector<Question>& questions) {
  auto by_id = std::make_shared<std::unordered_map<std::string, std::string>>();
  for (const Question& question : questions)
    by_id->emplace(question.id, question.image);
  return [by_id](const Answer& answer) {
    const auto found = by_id->find(answer.id);
    return found == by_id->end() ? answer.id : found->second;
  };
}

std::string submitted(const Answer& answer, AnswerForm form) {
  return form == AnswerForm::raw ? normalise(answer.text, Normaliser::m4c) : answer.text;
}

// Of the class "unanswerable", predicted with score 1 or 0: sums of a stratum are these four.
struct Unanswerable {
  double found = 0;  // right alarms
  double alarms = 0;
  double positives = 0;
  double all = 0;

  static Unanswerable of(std::span<const double> sums) {
    if (sums.empty()) return {};
    return {sums[0], sums[1], sums[2], sums[3]};
  }

  // sklearn's average_precision_score for two distinct scores.
  double average_precision() const {
    if (positives == 0) return 0;
    const double base = positives / all;
    if (alarms == 0) return base;
    const double recall = found / positives;
    return recall * (found / alarms) + (1 - recall) * base;
  }

  double f1() const { return alarms + positives > 0 ? 2 * found / (alarms + positives) : 0; }
};

void add_figure(Score& score, const char* name, const Stratum& stratum,
                double (Unanswerable::*value)() const) {
  Metric& metric = score.add(
      name, {.strata = {stratum}, .formula = [value](std::span<const std::vector<double>> sums) {
               return 100 * (Unanswerable::of(sums[0]).*value)();
             }});
  metric.value = python_round(metric.value, 2);
  metric.shown = fixed(metric.value, 2);
}

struct Tables {
  std::vector<double> official;
  std::vector<double> m4c;
  Groups types;
  Stratum unanswerable;
};

void report(const Tables& tables, Score& score) {
  Metric& accuracy = score.add("accuracy", percentage_of(tables.official));
  accuracy.value = python_round(100 * python_mean(tables.official), 2);
  accuracy.shown = fixed(accuracy.value, 2);
  tables.types.report(score, "answer type");
  add_figure(score, "unanswerable: average precision", tables.unanswerable,
             &Unanswerable::average_precision);
  add_figure(score, "unanswerable: F1", tables.unanswerable, &Unanswerable::f1);
  score.add("accuracy (m4c)", percentage_of(tables.m4c));
}

double m4c_score(const Picture& picture, const std::string& prediction) {
  std::vector<std::string> humans;
  for (const std::string& answer : picture.answers)
    humans.push_back(normalise(answer, Normaliser::m4c));
  return soft_accuracy(humans, normalise(prediction, Normaliser::m4c));
}

void score_picture(const Picture& picture, const std::string& prediction, Tables& tables,
                   Score& score) {
  const std::string parsed = normalise(prediction, Normaliser::vizwiz);
  const double found = soft_accuracy(picture.answers, parsed);
  tables.official.push_back(found);
  tables.m4c.push_back(m4c_score(picture, prediction));
  tables.types.add(picture.answer_type.empty() ? "unknown" : picture.answer_type, found);
  const bool is_alarm = parsed == "unanswerable";
  tables.unanswerable.add({is_alarm && !picture.is_answerable ? 1.0 : 0.0, is_alarm ? 1.0 : 0.0,
                           picture.is_answerable ? 0.0 : 1.0, 1.0});
  score.items.push_back({.id = picture.image,
                         .category = picture.answer_type,
                         .parsed = parsed,
                         .gold = picture.answers.front(),
                         .score = found,
                         .outcome = outcome_of(found)});
}

std::optional<fs::path> raw_file(const DataFolder& data) {
  return data.find({"val.json", "vizwiz_ann.json", "test.json"});
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  if (const auto llava = data.find({"llava_test.jsonl", "questions.jsonl"})) {
    return read_llava_questions(*llava);
  }
  const auto path = data.require("the questions", {"llava_test.jsonl", "val.json", "test.json",
                                                   "vizwiz_ann.json", "questions.jsonl"});
  std::vector<Question> questions;
  for (Picture& picture : read_pictures(path)) {
    Question question;
    question.id = std::to_string(questions.size());
    question.id_is_number = true;
    question.row = fmt::format("{}: element {}", path.string(), questions.size() + 1);
    question.image = std::move(picture.image);
    question.prompt = picture.question;
    question.prompt += kInsufficient;
    question.prompt += kSingleWord;
    questions.push_back(std::move(question));
  }
  return questions;
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  const auto path = raw_file(data);
  std::vector<Picture> pictures = path ? read_pictures(*path) : std::vector<Picture>();
  const bool has_answers = std::any_of(pictures.begin(), pictures.end(),
                                       [](const Picture& p) { return !p.answers.empty(); });
  if (!has_answers) return score_on_server("vizwiz", answers, "EvalAI challenge 2185");
  Score score;
  score.task = "vizwiz";
  AnswerIndex index(answers, picture_key(questions(data)));
  Tables tables;
  for (const Picture& picture : pictures) {
    if (picture.answers.empty()) {
      fail(ErrorCode::invalid_data, "{}: {}: expected human answers, found none", path->string(),
           picture.image);
    }
    const Answer* answer = require_answer(index, picture.image, path->string(), options);
    if (answer != nullptr) {
      score_picture(picture, submitted(*answer, answers.form), tables, score);
    }
  }
  report(tables, score);
  note_leftovers(index, score);
  return score;
}

Upload upload(const DataFolder& data, const Answers& answers) {
  const std::vector<Question> all = questions(data);
  AnswerIndex index(answers, picture_key(all));
  Upload upload{.content = "[", .name = "vizwiz_upload.json"};
  for (const Question& question : all) {
    const Answer* answer = require_answer(index, question.image, question.row, {});
    upload.content +=
        fmt::format("{}{{\"image\": {}, \"answer\": {}}}", upload.content.size() > 1 ? ", " : "",
                    python_json(question.image), python_json(submitted(*answer, answers.form)));
  }
  upload.content += "]";
  return upload;
}

}  // namespace vila::eval::vizwiz
