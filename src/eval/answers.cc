// SPDX-License-Identifier: Apache-2.0
#include "eval/answers.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "eval/json_cursor.h"
#include "eval/parts.h"
#include "eval/python_text.h"
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

// Answers of a part of a file, and the form that its rows have.
struct Part {
  AnswerForm form = AnswerForm::raw;
  std::vector<Answer> rows;
};

// The parts as one; where `is_numbered`, rows are numbered from the end of those there are.
void take_parts(std::vector<Part>& parts, bool is_numbered, Answers& answers) {
  size_t count = answers.rows.size();
  for (const Part& part : parts)
    count += part.rows.size();
  answers.rows.reserve(count);
  for (Part& part : parts) {
    if (part.form != AnswerForm::raw) answers.form = part.form;
    for (Answer& answer : part.rows) {
      answers.rows.push_back(std::move(answer));
      if (is_numbered) answers.rows.back().row = static_cast<int64_t>(answers.rows.size());
    }
    part.rows = {};
  }
}

void read_array(JsonCursor& cursor, Answers& answers) {
  const size_t bytes = cursor.document().size();
  ThreadPool pool(reading_threads(bytes));
  std::vector<Part> parts(part_count(bytes));
  read_array_in_parts(pool, cursor, [&](size_t number) -> ReadItem {
    parts[number] = {};
    return [&part = parts[number]](JsonCursor& item) {
      part.rows.push_back(read_row(item, part.form));
    };
  });
  take_parts(parts, true, answers);
}

void read_rows_of_lines(std::string_view text, Answers& answers) {
  ThreadPool pool(reading_threads(text.size()));
  std::vector<Part> parts(part_count(text.size()));
  read_lines_in_parts(pool, text, answers.source, [&](size_t number) -> ReadLine {
    return [&part = parts[number]](JsonCursor& line, int64_t row) {
      part.rows.push_back(read_row(line, part.form));
      part.rows.back().row = row;
    };
  });
  take_parts(parts, false, answers);
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

// Whether the text is rows of objects, or one object that is itself a row, not one by identifier.
bool is_jsonl(std::string_view text) {
  const size_t begin = text.find('{');
  if (begin == std::string_view::npos) return false;
  const size_t end = std::min(text.find('\n', begin), text.size());
  const bool is_one_line = text.find_first_not_of(" \t\r\n", end) == std::string_view::npos;
  if (is_one_line) {
    if (text.substr(begin + 1).starts_with("\"correct\"")) return false;  // ScienceQA's result
    constexpr std::array<std::string_view, 4> kRowKeys = {"\"question_id\"", "\"questionId\"",
                                                          "\"pred_answer\"", "\"tuple\""};
    return std::any_of(kRowKeys.begin(), kRowKeys.end(), [&](std::string_view key) {
      return text.find(key) != std::string_view::npos;
    });
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

// Lines "picture<tab>question<tab>gold<tab>answer" of one category.
void read_category(const fs::path& path, Answers& answers) {
  const std::string content = read_file(path);
  int64_t number = 0;
  for (const std::string_view line : split(content, "\n")) {
    ++number;
    if (python_strip(line).empty()) continue;
    const auto cells = split(line, "\t");
    if (cells.size() != 4) {
      fail(ErrorCode::invalid_data,
           "{}:{}: expected picture, question, gold and answer between tabs, found {} cells",
           path.string(), number, cells.size());
    }
    Answer& answer = answers.rows.emplace_back();
    answer.id = path.stem().string() + "/" + std::string(cells[0]);
    answer.prompt = cells[1];
    answer.text = python_strip(cells[3]);
    answer.row = static_cast<int64_t>(answers.rows.size());
  }
}

// What MME's own tool scores.
Answers read_folder(const fs::path& folder) {
  Answers answers{.source = folder.string(), .form = AnswerForm::raw, .rows = {}};
  std::set<fs::path> files;  // in one order everywhere
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") files.insert(entry.path());
  }
  for (const fs::path& file : files)
    read_category(file, answers);
  if (answers.rows.empty()) {
    fail(ErrorCode::invalid_data,
         "{}: expected a file of answers, or a folder of MME's files category.txt, found neither",
         folder.string());
  }
  return answers;
}

}  // namespace

Answers read_answers(const fs::path& path) {
  if (fs::is_directory(path)) return read_folder(path);
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
    read_rows_of_lines(text, answers);
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
  const Answer* answer = look_up(key);
  if (answer != nullptr) mark(*answer);
  return answer;
}

const Answer* AnswerIndex::look_up(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &answers_.rows[found->second];
}

void AnswerIndex::mark(const Answer& answer) {
  used_[static_cast<size_t>(&answer - answers_.rows.data())] = true;
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
