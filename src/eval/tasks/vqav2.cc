// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "eval/normalise.h"
#include "eval/parts.h"
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

// Into the strings that are there, whose memory is used again.
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
  bool has_answers = false;
  annotation.id.clear();
  annotation.question_type.clear();
  annotation.answer_type.clear();
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
      has_answers = true;
    } else {
      cursor.skip();
    }
  }
  if (annotation.id.empty() || !has_answers) {
    cursor.fail_here("members \"question_id\" and \"answers\" before the end");
  }
}

// A raw answer as LLaVA submits it, a submitted one as it stands.
std::string submitted(const Answer& answer, AnswerForm form) {
  return form == AnswerForm::raw ? normalise(answer.text, Normaliser::m4c) : answer.text;
}

std::string most_common(std::span<const std::string> answers) {
  const std::string* best = nullptr;
  std::ptrdiff_t most = 0;
  for (const std::string& answer : answers) {
    if (best != nullptr && answer == *best) continue;
    const auto times = std::count(answers.begin(), answers.end(), answer);
    if (times <= most) continue;
    most = times;
    best = &answer;
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
    const std::string_view category = item.category;
    all.push_back(item.score);
    answer_types.add(category.substr(0, slash), item.score);
    question_types.add(category.substr(slash + 3), item.score);
  }
  Metric& overall = score.add("accuracy", percentage_of(all));
  overall.value = python_round(100 * python_mean(all), 2);
  overall.shown = fixed(overall.value, 2);
  answer_types.report(score, "answer type");
  question_types.report(score, "question type");
}

// A question with its score; without an answer it has none.
struct Scored {
  ItemScore item;
  const Answer* answer = nullptr;
};

// Scores annotations one after the other. One thread.
class Scorer {
 public:
  Scorer(const AnswerIndex& index, VqaVersion version)
      : index_(index), submitted_(Normaliser::m4c), normalise_pair_(version) {}

  Scored read(JsonCursor& cursor) {
    read_annotation(cursor, annotation_);
    Scored scored;
    scored.item.id = annotation_.id;
    scored.answer = index_.look_up(annotation_.id);
    if (scored.answer != nullptr) compare(*scored.answer, scored.item);
    return scored;
  }

 private:
  void compare(const Answer& answer, ItemScore& item) {
    const bool is_raw = index_.answers().form == AnswerForm::raw;
    item.category = annotation_.answer_type + " | " + annotation_.question_type;
    item.parsed = is_raw ? submitted_(answer.text) : answer.text;
    item.gold = most_common(annotation_.answers);
    normalise_pair_(annotation_.answers, item.parsed);
    item.score = soft_accuracy(annotation_.answers, item.parsed);
    item.outcome = outcome_of(item.score);
  }

  const AnswerIndex& index_;
  Annotation annotation_;
  NormaliserMemory submitted_;
  PairNormaliser normalise_pair_;
};

using ScoredParts = std::vector<std::vector<Scored>>;

// Every annotation of the file, scored in parts side by side.
ScoredParts score_annotations(const MappedFile& file, const AnswerIndex& index,
                              VqaVersion version) {
  const std::string_view text = text_of(file);
  ThreadPool pool(reading_threads(text.size()));
  ScoredParts parts(part_count(text.size()));
  JsonCursor cursor(text, file.path().string());
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key != "annotations") {
      cursor.skip();
      continue;
    }
    read_array_in_parts(pool, cursor, [&](size_t number) -> ReadItem {
      parts[number].clear();
      return [&part = parts[number], scorer = std::make_shared<Scorer>(index, version)](
                 JsonCursor& item) { part.push_back(scorer->read(item)); };
    });
  }
  cursor.finish();
  return parts;
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
  const VqaVersion version =
      options.protocol == "vqa-2016" ? VqaVersion::of_2016 : VqaVersion::of_2021;
  Score score;
  score.task = "vqav2";
  AnswerIndex index(answers);
  const MappedFile file(*annotations);
  score.items.reserve(answers.rows.size());
  for (std::vector<Scored>& part : score_annotations(file, index, version)) {
    for (Scored& scored : part) {
      if (scored.answer == nullptr) {
        require_answer(index, scored.item.id, annotations->string(), options);
        continue;
      }
      index.mark(*scored.answer);
      score.items.push_back(std::move(scored.item));
    }
    part = {};
  }
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
