// SPDX-License-Identifier: Apache-2.0
#include "eval/answers.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "eval/data_folder.h"
#include "eval/json_cursor.h"
#include "eval/table.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

// What the members of an answer are called, by where they go.
enum class Member { id, prompt, text, submitted, judged, golds, other };

Member member_of(std::string_view key) {
  if (key == "question_id" || key == "questionId" || key == "image" || key == "id") {
    return Member::id;
  }
  if (key == "text" || key == "pred") return Member::text;
  if (key == "content") return Member::judged;
  if (key == "answer" || key == "prediction" || key == "pred_answer") return Member::submitted;
  if (key == "prompt" || key == "question") return Member::prompt;
  return key == "gt_answers" ? Member::golds : Member::other;
}

// The object under the cursor. `has_text` becomes whether it carried an answer.
Answer read_row(JsonCursor& cursor, AnswerForm& form) {
  Answer answer;
  bool has_text = false;
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    switch (member_of(key)) {
      case Member::id:
        cursor.text(answer.id);
        break;
      case Member::prompt:
        cursor.string(answer.prompt);
        break;
      case Member::judged:
        form = AnswerForm::judged;
        cursor.string(answer.text);
        has_text = true;
        break;
      case Member::submitted:
        form = AnswerForm::submission;
        [[fallthrough]];
      case Member::text:
        cursor.text(answer.text);
        has_text = true;
        break;
      case Member::golds:
        cursor.enter_array();
        while (cursor.next_item())
          cursor.string(answer.golds.emplace_back());
        break;
      case Member::other:
        cursor.skip();
        break;
    }
  }
  if (!has_text) cursor.fail_here("a member \"text\", \"answer\" or \"prediction\" before the end");
  if (answer.id.empty() && answer.golds.empty()) {
    cursor.fail_here("a member \"question_id\" (or \"image\") before the end");
  }
  return answer;
}

void read_array(JsonCursor& cursor, Answers& answers) {
  cursor.enter_array();
  while (cursor.next_item()) {
    answers.rows.push_back(read_row(cursor, answers.form));
    answers.rows.back().row = static_cast<int64_t>(answers.rows.size());
  }
}

// {"v1_0": text, …} or {"correct": [rows], "incorrect": [rows]}.
void read_object(JsonCursor& cursor, Answers& answers) {
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (cursor.peek() == JsonCursor::Kind::array) {
      read_array(cursor, answers);
      continue;
    }
    Answer answer;
    answer.id = key;
    if (cursor.peek() == JsonCursor::Kind::object) {
      answers.form = AnswerForm::judged;
      cursor.skip();
    } else {
      cursor.string(answer.text);
    }
    answer.row = static_cast<int64_t>(answers.rows.size()) + 1;
    answers.rows.push_back(std::move(answer));
  }
}

bool is_jsonl(std::string_view text) {
  const size_t begin = text.find('{');
  const size_t end = text.find('\n');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
    return begin != std::string_view::npos &&
           text.find("\"question_id\"") != std::string_view::npos;
  }
  const size_t last = text.find_last_not_of(" \t\r,", end - 1);
  return last != std::string_view::npos && text[last] == '}';
}

Answers read_workbook(const fs::path& path) {
  const Table table = read_xlsx(path);
  const size_t index = table.column("index");
  const size_t prediction = table.column("prediction");
  Answers answers{.source = table.source, .form = AnswerForm::raw, .rows = {}};
  for (const auto& row : table.rows) {
    Answer& answer = answers.rows.emplace_back();
    answer.id = row[index];
    answer.text = row[prediction];
    answer.row = static_cast<int64_t>(answers.rows.size()) + 1;
  }
  return answers;
}

}  // namespace

Answers read_answers(const fs::path& path) {
  if (path.extension() == ".xlsx") return read_workbook(path);
  Answers answers{.source = path.string(), .form = AnswerForm::raw, .rows = {}};
  const MappedFile file(path);
  const auto bytes = file.bytes();
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  JsonCursor cursor(text, answers.source);
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    fail(ErrorCode::invalid_data, "{}: expected answers, found an empty file", answers.source);
  }
  if (cursor.peek() == JsonCursor::Kind::array) {
    read_array(cursor, answers);
    cursor.finish();
  } else if (is_jsonl(text)) {
    read_jsonl(path, [&](JsonCursor& line, int64_t number) {
      answers.rows.push_back(read_row(line, answers.form));
      answers.rows.back().row = number;
    });
  } else {
    read_object(cursor, answers);
    cursor.finish();
  }
  return answers;
}

AnswerIndex::AnswerIndex(const Answers& answers, const Key& key)
    : answers_(answers), used_(answers.rows.size(), false) {
  keys_.reserve(key ? answers.rows.size() : 0);
  by_key_.reserve(answers.rows.size());
  for (size_t i = 0; i < answers.rows.size(); ++i) {
    const Answer& answer = answers.rows[i];
    if (key) keys_.push_back(key(answer));
    const auto [found, is_new] = by_key_.emplace(key ? keys_.back() : answer.id, i);
    if (is_new) continue;
    const Answer& earlier = answers.rows[found->second];
    if (earlier.text != answer.text) {
      fail(ErrorCode::invalid_data,
           "{}: rows {} and {} answer question {} differently (\"{}\", \"{}\"); keep one",
           answers.source, earlier.row, answer.row, answer.id, earlier.text.substr(0, 40),
           answer.text.substr(0, 40));
    }
    used_[i] = true;
    ++repeated_;
  }
}

const Answer* AnswerIndex::find(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  used_[found->second] = true;
  return &answers_.rows[found->second];
}

int64_t AnswerIndex::unused() const {
  return std::count(used_.begin(), used_.end(), false);
}

const Answer* AnswerIndex::first_unused() const {
  const auto found = std::find(used_.begin(), used_.end(), false);
  return found == used_.end() ? nullptr
                              : &answers_.rows[static_cast<size_t>(found - used_.begin())];
}

}  // namespace vila::eval
