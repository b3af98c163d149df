// SPDX-License-Identifier: Apache-2.0
#include "eval/tasks/common.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vila::eval {

std::vector<Question> read_llava_questions(const std::filesystem::path& path) {
  std::vector<Question> questions;
  read_jsonl(path, [&](JsonCursor& line, int64_t number) {
    Question question;
    question.row = fmt::format("{}:{}", path.string(), number);
    bool has_text = false;
    std::string key;
    line.enter_object();
    while (line.next_key(key)) {
      if (key == "question_id") {
        question.id_is_number = line.peek() == JsonCursor::Kind::number;
        line.text(question.id);
      } else if (key == "image") {
        line.string(question.image);
      } else if (key == "text") {
        line.string(question.prompt);
        has_text = true;
      } else if (key == "category") {
        line.string(question.category);
      } else {
        line.skip();
      }
    }
    if (question.id.empty() || !has_text) {
      line.fail_here("members \"question_id\" and \"text\" before the end");
    }
    questions.push_back(std::move(question));
  });
  return questions;
}

const Answer* require_answer(AnswerIndex& index, std::string_view key, const std::string& row,
                             const ScoreOptions& options) {
  const Answer* answer = index.find(key);
  if (answer == nullptr && !options.is_partial) {
    fail(ErrorCode::invalid_data,
         "{}: expected an answer to question {} ({}), found none; a score over fewer questions is "
         "another figure (--partial gives it)",
         index.answers().source, key, row);
  }
  return answer;
}

void note_leftovers(const AnswerIndex& index, Score& score) {
  if (index.repeated() > 0) {
    score.notes.push_back(
        fmt::format("{}: {} rows repeat an earlier answer word for word, each counted once",
                    index.answers().source, index.repeated()));
  }
  const Answer* first = index.first_unused();
  if (first == nullptr) return;
  const auto rows = static_cast<int64_t>(index.answers().rows.size());
  const std::string found = fmt::format(
      "{}: {} of {} answers are to questions that the data does not have (first: row "
      "{}, question {})",
      index.answers().source, index.unused(), rows, first->row, first->id);
  if (2 * index.unused() > rows) {
    fail(ErrorCode::invalid_data, "{}: is this another split?", found);
  }
  score.notes.push_back(found + "; they are not scored");
}

Score score_on_server(std::string_view task, const Answers& answers, std::string_view server) {
  Score score;
  score.task = task;
  score.notes.push_back(
      fmt::format("the gold answers of this split are not public: write the {} answers with "
                  "--upload and give them to {}",
                  answers.rows.size(), server));
  return score;
}

std::string python_json(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', true);
}

double soft_accuracy(std::span<const std::string> golds, std::string_view prediction) {
  const auto agree = std::count(golds.begin(), golds.end(), prediction);
  double sum = 0;
  for (const std::string& gold : golds) {
    const auto others = agree - (gold == prediction ? 1 : 0);
    sum += std::min(1.0, static_cast<double>(others) / 3);
  }
  return sum / static_cast<double>(golds.size());
}

}  // namespace vila::eval
