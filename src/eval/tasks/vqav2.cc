// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "eval/normalise.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::vqav2 {
namespace {

namespace fs = std::filesystem;

struct Annotation {
  std::string id;
  std::string question_type;
  std::string answer_type;
  std::vector<std::string> answers;
};

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void read_humans(JsonCursor& cursor, std::vector<std::string>& answers) {
  std::string key;
  size_t count = 0;
  cursor.enter_array();
  while (cursor.next_item()) {
    if (count == answers.size()) answers.emplace_back();
    bool has_answer = false;
    cursor.enter_object();
    while (cursor.next_key(key)) {
      if (key == "answer") {
        cursor.string(answers[count]);
        has_answer = true;
      } else {
        cursor.skip();
      }
    }
    if (!has_answer) cursor.fail_here("a member \"answer\" before the end");
    ++count;
  }
  answers.resize(count);
  if (count == 0) cursor.fail_here("at least one human answer before this");
}

void read_annotation(JsonCursor& cursor, Annotation& annotation) {
  std::string key;
  annotation.id.clear();
  annotation.answers.clear();
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key == "question_id") {
      cursor.text(annotation.id);
    } else if (key == "question_type") {
      cursor.string(annotation.question_type);
    } else if (key == "answer_type") {
      cursor.string(annotation.answer_type);
    } else if (key == "answers") {
      read_humans(cursor, annotation.answers);
    } else {
      cursor.skip();
    }
  }
  if (annotation.id.empty() || annotation.answers.empty()) {
    cursor.fail_here("members \"question_id\" and \"answers\" before the end");
  }
}

// Calls `use` on each item of the array under `member` of the file's object.
template <typename Use>
void for_each_item(JsonCursor& cursor, std::string_view member, const Use& use) {
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key != member) {
      cursor.skip();
      continue;
    }
    cursor.enter_array();
    while (cursor.next_item())
      use();
  }
  cursor.finish();
}

// A raw answer as LLaVA submits it, a submitted one as it stands.
std::string submitted(const Answer& answer, AnswerForm form) {
  return form == AnswerForm::raw ? normalise(answer.text, Normaliser::m4c) : answer.text;
}

std::string most_common(std::span<const std::string> answers) {
  const std::string* best = &answers.front();
  for (const std::string& answer : answers) {
    if (std::count(answers.begin(), answers.end(), answer) >
        std::count(answers.begin(), answers.end(), *best)) {
      best = &answer;
    }
  }
  return *best;
}

std::string picture_name(const std::string& subtype, int64_t image_id) {
  return fmt::format("COCO_{}_{:012}.jpg", subtype, image_id);
}

std::vector<Question> read_raw_questions(const fs::path& path) {
  const MappedFile file(path);
  JsonCursor cursor(text_of(file), path.string());
  std::vector<Question> questions;
  std::vector<int64_t> images;
  std::string subtype = "val2014";
  std::string key;
  std::string member;
  cursor.enter_object();
  while (cursor.next_key(member)) {
    if (member == "data_subtype") {
      cursor.string(subtype);
      continue;
    }
    if (member != "questions") {
      cursor.skip();
      continue;
    }
    cursor.enter_array();
    while (cursor.next_item()) {
      Question& question = questions.emplace_back();
      question.id_is_number = true;
      question.row = fmt::format("{}: question {}", path.string(), questions.size());
      images.push_back(0);
      cursor.enter_object();
      while (cursor.next_key(key)) {
        if (key == "question_id") {
          cursor.text(question.id);
        } else if (key == "question") {
          cursor.string(question.prompt);
        } else if (key == "image_id") {
          images.back() = cursor.integer();
        } else {
          cursor.skip();
        }
      }
      question.prompt += kSingleWord;
    }
  }
  cursor.finish();
  for (size_t i = 0; i < questions.size(); ++i)
    questions[i].image = picture_name(subtype, images[i]);
  return questions;
}

std::vector<Question> read_questions(const fs::path& path) {
  return path.extension() == ".jsonl" ? read_llava_questions(path) : read_raw_questions(path);
}

void report(Score& score) {
  std::vector<double> all;
  Groups answer_types;
  Groups question_types;
  for (const ItemScore& item : score.items) {
    const auto slash = item.category.find(" | ");
    all.push_back(item.score);
    answer_types.add(item.category.substr(0, slash), item.score);
    question_types.add(item.category.substr(slash + 3), item.score);
  }
  Metric& overall = score.add("accuracy", percentage_of(all));
  overall.value = python_round(100 * python_mean(all), 2);
  overall.shown = fixed(overall.value, 2);
  answer_types.report(score, "answer type");
  question_types.report(score, "question type");
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  return read_questions(data.require(
      "the questions", {"llava_vqav2_mscoco_test-dev2015.jsonl", "llava_vqav2_mscoco_*",
                        "*_questions.json", "vqa_ques.json", "questions.jsonl"}));
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  const auto annotations = data.find({"*_annotations.json", "vqa_ann.json"});
  if (!annotations) return score_on_server("vqav2", answers, "EvalAI challenge 830");
  const bool is_2016 = options.protocol == "vqa-2016";
  Score score;
  score.task = "vqav2";
  AnswerIndex index(answers);
  const MappedFile file(*annotations);
  JsonCursor cursor(text_of(file), annotations->string());
  Annotation annotation;
  score.items.reserve(answers.rows.size());
  for_each_item(cursor, "annotations", [&] {
    read_annotation(cursor, annotation);
    const Answer* answer = require_answer(index, annotation.id, annotations->string(), options);
    if (answer == nullptr) return;
    std::string prediction = submitted(*answer, answers.form);
    std::string gold = most_common(annotation.answers);
    normalise_pair(annotation.answers, prediction,
                   is_2016 ? VqaVersion::of_2016 : VqaVersion::of_2021);
    const double found = soft_accuracy(annotation.answers, prediction);
    score.items.push_back({.id = annotation.id,
                           .category = annotation.answer_type + " | " + annotation.question_type,
                           .parsed = std::move(prediction),
                           .gold = std::move(gold),
                           .score = found,
                           .outcome = outcome_of(found)});
  });
  report(score);
  note_leftovers(index, score);
  return score;
}

Upload upload(const DataFolder& data, const Answers& answers) {
  const std::vector<Question> all = read_questions(data.require(
      "all questions of the split", {"llava_vqav2_mscoco_test2015.jsonl", "*_questions.json",
                                     "vqa_ques.json", "llava_vqav2_mscoco_*", "questions.jsonl"}));
  AnswerIndex index(answers);
  Upload upload{.content = "[", .name = "vqav2_upload.json"};
  for (const Question& question : all) {
    const Answer* answer = index.find(question.id);
    const std::string text = answer == nullptr ? "" : submitted(*answer, answers.form);
    upload.content +=
        fmt::format("{}{{\"question_id\": {}, \"answer\": {}}}",
                    upload.content.size() > 1 ? ", " : "", question.id, python_json(text));
  }
  upload.content += "]";
  return upload;
}

}  // namespace vila::eval::vqav2
