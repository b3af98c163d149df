// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "eval/normalise.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::textvqa {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHumans = 10;

struct Annotation {
  std::string image_id;
  std::string question;
  std::vector<std::string> answers;
};

Annotation read_annotation(JsonCursor& cursor) {
  Annotation annotation;
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key == "image_id") {
      cursor.text(annotation.image_id);
    } else if (key == "question") {
      cursor.string(annotation.question);
    } else if (key == "answers") {
      cursor.enter_array();
      while (cursor.next_item())
        cursor.string(annotation.answers.emplace_back());
    } else {
      cursor.skip();
    }
  }
  return annotation;
}

// Calls `read` at each row of the array "data" that both files of TextVQA are.
void each_row(const fs::path& path, const std::function<void(JsonCursor&)>& read) {
  const std::string text = read_file(path);
  JsonCursor cursor(text, path.string());
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key != "data") {
      cursor.skip();
      continue;
    }
    cursor.enter_array();
    while (cursor.next_item())
      read(cursor);
  }
  cursor.finish();
}

std::vector<Annotation> read_annotations(const fs::path& path) {
  std::vector<Annotation> annotations;
  each_row(path, [&](JsonCursor& cursor) {
    annotations.push_back(read_annotation(cursor));
    if (annotations.back().answers.size() != kHumans) {
      cursor.fail_here("ten answers of the question before this");
    }
  });
  return annotations;
}

// A picture and its tokens, joined as LLaVA's prompts have them.
std::pair<std::string, std::string> read_tokens(JsonCursor& cursor) {
  std::pair<std::string, std::string> found;
  std::string key;
  std::string token;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key == "image_id") {
      cursor.text(found.first);
    } else if (key == "ocr_tokens") {
      cursor.enter_array();
      while (cursor.next_item()) {
        cursor.string(token);
        found.second += (found.second.empty() ? "" : ", ") + token;
      }
    } else {
      cursor.skip();
    }
  }
  return found;
}

// OCR tokens by picture, of TextVQA's own file (Rosetta's).
std::map<std::string, std::string> read_ocr(const fs::path& path) {
  std::map<std::string, std::string> tokens;
  each_row(path, [&](JsonCursor& cursor) {
    auto [image, joined] = read_tokens(cursor);
    tokens.emplace(std::move(image), std::move(joined));
  });
  return tokens;
}

// The questions of TextVQA's own files, with LLaVA's prompt.
std::vector<Question> read_own_questions(const fs::path& path, const fs::path& ocr) {
  const std::map<std::string, std::string> tokens = read_ocr(ocr);
  std::vector<Question> questions;
  for (const Annotation& annotation : read_annotations(path)) {
    const auto found = tokens.find(annotation.image_id);
    Question& question = questions.emplace_back();
    question.id = annotation.image_id;
    question.row = fmt::format("{}: \"{}\"", path.string(), annotation.question);
    question.image = annotation.image_id + ".jpg";
    question.prompt = fmt::format("{}\nReference OCR token: {}{}", annotation.question,
                                  found == tokens.end() ? "" : found->second, kSingleWord);
  }
  return questions;
}

// The part of the prompt that is the question, as prompt_processor() of LLaVA's eval_textvqa.py;
// "OCR tokens: …" is how LLaVA's first version asked.
std::string_view question_line(std::string_view prompt) {
  if (prompt.starts_with("OCR tokens: ")) {
    constexpr std::string_view kBefore = "Question: ";
    const size_t begin = prompt.find(kBefore);
    const size_t end = prompt.find(" Short answer:", std::min(begin, prompt.size()));
    if (end == std::string_view::npos) return prompt;
    return prompt.substr(begin + kBefore.size(), end - begin - kBefore.size());
  }
  const auto lines = split(prompt, "\n");
  if (lines.size() == 3 && lines[0].starts_with("Reference OCR token:")) return lines[1];
  return lines[0];
}

std::string join_key(std::string_view image_id, std::string_view question) {
  return std::string(image_id) + "\n" + python_lower(question);
}

ItemScore score_pair(std::vector<std::string> humans, const Answer& answer) {
  ItemScore item;
  item.id = answer.id;
  item.gold = humans.front();
  for (std::string& human : humans)
    human = normalise(human, Normaliser::m4c);
  item.parsed = normalise(answer.text, Normaliser::m4c);
  item.score = soft_accuracy(humans, item.parsed);
  item.outcome = outcome_of(item.score);
  return item;
}

void report(Score& score) {
  std::vector<double> all;
  for (const ItemScore& item : score.items)
    all.push_back(item.score);
  Metric& accuracy = score.add("accuracy", percentage_of(all));
  accuracy.value = 100 * python_mean(all);
  accuracy.shown = fixed(accuracy.value, 2);
}

// Answers that bring their human answers along, as m4c's evaluator takes them.
Score score_pairs(const Answers& answers) {
  Score score;
  score.task = "textvqa";
  for (const Answer& answer : answers.rows) {
    if (answer.golds.size() != kHumans) {
      fail(ErrorCode::invalid_data, "{}: row {}: expected ten gt_answers, found {}", answers.source,
           answer.row, answer.golds.size());
    }
    score.items.push_back(score_pair(answer.golds, answer));
    if (answer.id.empty()) score.items.back().id = std::to_string(answer.row);
  }
  report(score);
  return score;
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  const auto own = data.find({"TextVQA_0.5.1_val.json"});
  const auto ocr = data.find({"TextVQA_Rosetta_OCR_v0.2_val.json", "TextVQA_Rosetta_OCR*"});
  const auto llava =
      data.find({"llava_textvqa_val_v051_ocr.jsonl", "llava_textvqa_val_*", "questions.jsonl"});
  if (!llava && own && ocr) return read_own_questions(*own, *ocr);
  std::vector<Question> questions = read_llava_questions(
      data.require("the questions (or TextVQA_0.5.1_val.json with its file of OCR tokens)",
                   {"llava_textvqa_val_v051_ocr.jsonl", "llava_textvqa_val_*", "questions.jsonl"}));
  for (Question& question : questions) {
    if (question.image.empty()) question.image = question.id + ".jpg";
  }
  return questions;
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  if (!answers.rows.empty() && !answers.rows.front().golds.empty()) return score_pairs(answers);
  const auto path = data.find({"TextVQA_0.5.1_val.json", "TextVQA_0*"});
  if (!path) return score_on_server("textvqa", answers, "EvalAI");
  Score score;
  score.task = "textvqa";
  AnswerIndex index(answers, [](const Answer& answer) {
    return join_key(answer.id, question_line(answer.prompt));
  });
  for (Annotation& annotation : read_annotations(*path)) {
    const std::string key = join_key(annotation.image_id, annotation.question);
    const std::string row = fmt::format("{}: \"{}\"", path->string(), annotation.question);
    const Answer* answer = require_answer(index, key, row, options);
    if (answer != nullptr)
      score.items.push_back(score_pair(std::move(annotation.answers), *answer));
  }
  report(score);
  note_leftovers(index, score);
  return score;
}

}  // namespace vila::eval::textvqa
