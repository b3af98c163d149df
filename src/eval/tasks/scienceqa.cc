// SPDX-License-Identifier: Apache-2.0
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "eval/python_text.h"
#include "eval/rows.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::scienceqa {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLetters = "ABCDE";
constexpr std::string_view kImage = "<image>";

struct Problem {
  std::string id;
  std::string image;
  std::string human;  // as stored, "<image>\n" in front where there is a picture
  std::string gold;
};

void read_turns(JsonCursor& cursor, Problem& problem) {
  std::string key;
  std::string from;
  std::string value;
  cursor.enter_array();
  while (cursor.next_item()) {
    cursor.enter_object();
    while (cursor.next_key(key)) {
      if (key == "from") {
        cursor.string(from);
      } else if (key == "value") {
        cursor.string(value);
      } else {
        cursor.skip();
      }
    }
    (from == "human" ? problem.human : problem.gold) = value;
  }
}

std::vector<Problem> read_problems(const fs::path& path) {
  const std::string text = read_file(path);
  JsonCursor cursor(text, path.string());
  std::vector<Problem> problems;
  std::string key;
  cursor.enter_array();
  while (cursor.next_item()) {
    Problem& problem = problems.emplace_back();
    cursor.enter_object();
    while (cursor.next_key(key)) {
      if (key == "id") {
        cursor.text(problem.id);
      } else if (key == "image") {
        cursor.string(problem.image);
      } else if (key == "conversations") {
        read_turns(cursor, problem);
      } else {
        cursor.skip();
      }
    }
    if (problem.id.empty() || problem.human.empty() || problem.gold.empty()) {
      cursor.fail_here("members \"id\" and \"conversations\" before the end");
    }
  }
  cursor.finish();
  return problems;
}

// A problem of ScienceQA's own file as LLaVA's writes it. @throws Error{invalid_data}
Problem own_problem(const std::string& id, const Json& problem, const std::string& source) {
  const std::vector<std::string> choices = texts_of(value_at(problem, "choices"));
  const auto answer = json_require<int64_t>(problem, "answer", source);
  if (answer < 0 || answer >= std::ssize(choices) || choices.size() > kLetters.size()) {
    fail(ErrorCode::invalid_data, "{}: expected an answer among at most {} choices, found {} of {}",
         source, kLetters.size(), answer, choices.size());
  }
  const auto hint = json_get<std::string>(problem, "hint", "", source);
  const bool has_image = problem.contains("image") && problem["image"].is_string() &&
                         !problem["image"].get_ref<const std::string&>().empty();
  Problem own;
  own.id = id;
  if (has_image) own.image = id + "/" + problem["image"].get<std::string>();
  own.human = has_image ? "<image>\n" : "";
  if (!hint.empty()) own.human += "Context: " + hint + "\n";
  own.human += json_require<std::string>(problem, "question", source);
  for (size_t i = 0; i < choices.size(); ++i)
    own.human += fmt::format("\n{}. {}", kLetters[i], choices[i]);
  own.gold = kLetters[static_cast<size_t>(answer)];
  return own;
}

// The test split of ScienceQA's own files.
std::vector<Problem> read_own_problems(const fs::path& path, const fs::path& splits) {
  const Json all = read_json_file(path, ErrorCode::invalid_data);
  const Json ids = read_json_file(splits, ErrorCode::invalid_data);
  std::vector<Problem> problems;
  for (const std::string& id : texts_of(value_at(ids, "test"))) {
    const std::string source = fmt::format("{}: {}", path.string(), id);
    if (!all.contains(id)) {
      fail(ErrorCode::invalid_data, "{}: expected the problem that {} names, found none", source,
           splits.filename().string());
    }
    problems.push_back(own_problem(id, all[id], source));
  }
  if (problems.empty()) {
    fail(ErrorCode::invalid_data, "{}: expected the list \"test\", found none", splits.string());
  }
  return problems;
}

struct Problems {
  fs::path path;
  std::vector<Problem> all;
};

Problems find_problems(const DataFolder& data) {
  const auto own = data.find({"problems.json"});
  const auto splits = data.find({"pid_splits.json"});
  const auto llava = data.find({"llava_test_CQM-A.json", "llava_test_*"});
  if (!llava && own && splits) return {*own, read_own_problems(*own, *splits)};
  const fs::path path =
      data.require("ScienceQA's questions", {"llava_test_CQM-A.json", "llava_test_*"});
  return {path, read_problems(path)};
}

// The one letter that "The answer is X" names; the character after it may be any but a newline.
std::string letter_after_phrase(std::string_view text) {
  constexpr std::string_view kPhrase = "The answer is ";
  std::string letter;
  int matches = 0;
  for (size_t at = text.find(kPhrase); at != std::string_view::npos;
       at = text.find(kPhrase, at + 1)) {
    const size_t where = at + kPhrase.size();
    if (where + 1 >= text.size() || text[where + 1] == '\n') continue;
    if (text[where] < 'A' || text[where] > 'Z') continue;
    letter = text[where];
    ++matches;
  }
  return matches == 1 ? letter : "";
}

// "" when the answer names no letter.
std::string parse_letter(std::string_view text) {
  if (text.size() == 1 && kLetters.find(text) != std::string_view::npos) return std::string(text);
  if (text.size() >= 3 && kLetters.find(text[0]) != std::string_view::npos &&
      text.substr(1, 2) == ". ") {
    return std::string(text.substr(0, 1));
  }
  return letter_after_phrase(text);
}

// Subject, context and grade tables of problems.json.
class Details {
 public:
  explicit Details(const DataFolder& data) {
    const auto path = data.find({"problems.json"});
    if (path) problems_ = read_json_file(*path, ErrorCode::invalid_data);
  }

  void add(const std::string& id, double score) {
    if (!problems_.is_object() || !problems_.contains(id)) return;
    const Json& problem = problems_[id];
    const std::string source = "problems.json: " + id;
    subjects_.add(json_get<std::string>(problem, "subject", "unknown", source), score);
    const bool has_text = !json_get<std::string>(problem, "hint", "", source).empty();
    const bool has_image = !json_get<std::string>(problem, "image", "", source).empty();
    if (has_text) contexts_.add("text", score);
    if (has_image) contexts_.add("image", score);
    if (!has_text && !has_image) contexts_.add("none", score);
    const std::string grade = json_get<std::string>(problem, "grade", "grade0", source);
    const int64_t year = grade.starts_with("grade") ? std::atoi(grade.c_str() + 5) : 0;
    grades_.add(year <= 6 ? "1-6" : "7-12", score);
  }

  void report(Score& score) const {
    subjects_.report(score, "subject");
    contexts_.report(score, "context");
    grades_.report(score, "grade");
  }

 private:
  Json problems_;
  Groups subjects_;
  Groups contexts_;
  Groups grades_;
};

void report(Score& score) {
  std::vector<double> all;
  std::vector<double> pictured;
  for (const ItemScore& item : score.items) {
    all.push_back(item.score);
    if (item.category == "image") pictured.push_back(item.score);
  }
  score.add("IMG accuracy", percentage_of(pictured));
  score.add("accuracy", percentage_of(all));
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  const auto [path, problems] = find_problems(data);
  std::vector<Question> questions;
  for (const Problem& problem : problems) {
    Question question;
    question.id = problem.id;
    question.row = fmt::format("{}: question {}", path.string(), problem.id);
    question.image = problem.image;
    const std::string text = replace_all(problem.human, kImage, "");
    question.prompt = std::string(python_strip(text)) + std::string(kOptionLetter);
    if (!problem.image.empty()) question.stored_prompt = "<image>\n" + question.prompt;
    questions.push_back(std::move(question));
  }
  return questions;
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  Score score;
  score.task = "scienceqa";
  AnswerIndex index(answers);
  Details details(data);
  for (const Problem& problem : find_problems(data).all) {
    const Answer* answer = index.find(problem.id);
    if (answer == nullptr && options.is_partial) continue;
    ItemScore item;
    item.id = problem.id;
    item.gold = problem.gold;
    item.outcome = Outcome::missing;
    if (answer != nullptr) {
      // Which questions have a picture is read from what was asked, as LLaVA's script does.
      const bool has_image = answer->prompt.empty()
                                 ? !problem.image.empty()
                                 : answer->prompt.find(kImage) != std::string::npos;
      item.category = has_image ? "image" : "text";
      item.parsed = parse_letter(answer->text);
      item.score = item.parsed == item.gold ? 1 : 0;
      item.outcome = item.parsed.empty() ? Outcome::unparsed : outcome_of(item.score);
    }
    details.add(item.id, item.score);
    score.items.push_back(std::move(item));
  }
  report(score);
  details.report(score);
  note_leftovers(index, score);
  return score;
}

}  // namespace vila::eval::scienceqa
