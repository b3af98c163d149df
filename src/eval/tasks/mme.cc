// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "eval/python_text.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::mme {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 10> kPerception = {
    "existence", "count", "position", "color",   "posters",
    "celebrity", "scene", "landmark", "artwork", "OCR"};
constexpr std::array<const char*, 4> kCognition = {"commonsense_reasoning", "numerical_calculation",
                                                   "text_translation", "code_reasoning"};
constexpr std::string_view kYesOrNo = "Please answer yes or no.";

// One question of MME's text files.
struct GoldRow {
  std::string key;  // gold_key(): category, picture without extension, question
  std::string category;
  std::string question;  // as MME words it
  bool is_yes = false;
  fs::path file;
};

// Gold answers by key.
using Gold = std::map<std::string, bool>;

// Some questions have two blanks in front of "Please"; the conversion of LLaVA tries both.
std::string gold_key(std::string_view category, std::string_view stem, std::string_view question) {
  const std::string one_blank =
      replace_all(question, "  " + std::string(kYesOrNo), " " + std::string(kYesOrNo));
  return fmt::format("{}\n{}\n{}", category, stem, one_blank);
}

std::string_view stem_of(std::string_view file) {
  file = file.substr(file.rfind('/') + 1);
  return file.substr(0, file.find('.'));
}

// Lines "question<tab>Yes" of a file per picture, or "picture<tab>question<tab>Yes[<tab>answer]" of
// a file per category, as in the release and in eval_tool; other files give nothing.
void read_gold_file(const fs::path& path, std::vector<GoldRow>& rows) {
  const std::string text = read_file(path);
  fs::path folder = path.parent_path();
  if (folder.filename() == "questions_answers_YN") folder = folder.parent_path();
  for (const std::string_view line : split(text, "\n")) {
    const auto cells = split(python_strip(line), "\t");
    if (cells.size() < 2) continue;
    const bool is_per_picture = cells.size() == 2;
    const std::string label = python_lower(python_strip(cells[is_per_picture ? 1 : 2]));
    if (label != "yes" && label != "no") continue;
    GoldRow& row = rows.emplace_back();
    row.category = is_per_picture ? folder.filename().string() : path.stem().string();
    const std::string stem = is_per_picture ? path.stem().string() : std::string(stem_of(cells[0]));
    row.question = cells[is_per_picture ? 0 : 1];
    row.key = gold_key(row.category, stem, row.question);
    row.is_yes = label == "yes";
    if (is_per_picture) row.file = path;
  }
}

std::vector<GoldRow> read_gold_rows(const DataFolder& data) {
  std::vector<GoldRow> rows;
  for (const fs::path& path : data.all("*.txt"))
    read_gold_file(path, rows);
  if (rows.empty()) {
    fail(ErrorCode::not_found,
         "{}: expected MME's text files of questions and answers (category/*.txt, or "
         "eval_tool/Your_Results/*.txt), found none",
         data.root().string());
  }
  return rows;
}

Gold read_gold(const DataFolder& data) {
  Gold gold;
  for (const GoldRow& row : read_gold_rows(data))
    gold.emplace(row.key, row.is_yes);
  return gold;
}

// The question as MME words it, from the prompt that LLaVA made of it.
std::string official_question(std::string_view prompt) {
  std::string question(python_strip(replace_all(prompt, kSingleWord.substr(1), "")));
  if (question.find(kYesOrNo) == std::string::npos) question += " " + std::string(kYesOrNo);
  return question;
}

// The key of what was asked: `id` is "category/[images/]file".
std::string asked_key(const std::string& id, const std::string& prompt) {
  return gold_key(id.substr(0, id.find('/')), stem_of(id), official_question(prompt));
}

// @throws Error{invalid_data} when MME has no such question.
bool gold_of(const Gold& gold, const Question& question) {
  const auto found = gold.find(asked_key(question.id, question.prompt));
  if (found != gold.end()) return found->second;
  fail(ErrorCode::invalid_data, "{}: expected MME's answer to \"{}\" about {}, found none",
       question.row, official_question(question.prompt), question.id);
}

// The picture of a text file of the release: beside it, or in images/ beside its folder; as
// "category/[images/]file", LLaVA's identifier. "" for none.
std::string picture_of(const GoldRow& row) {
  const fs::path folder = row.file.parent_path();
  const bool is_split = folder.filename() == "questions_answers_YN";
  const fs::path pictures = is_split ? folder.parent_path() / "images" : folder;
  for (const char* extension : {".jpg", ".png", ".jpeg"}) {
    const std::string name = row.file.stem().string() + extension;
    if (!fs::exists(pictures / name)) continue;
    return row.category + (is_split ? "/images/" : "/") + name;
  }
  return "";
}

// The questions of MME's own release, asked as LLaVA asks them.
std::vector<Question> read_own_questions(const DataFolder& data) {
  std::vector<Question> questions;
  for (const GoldRow& row : read_gold_rows(data)) {
    if (row.file.empty()) continue;
    Question question;
    question.row = row.file.string();
    question.id = picture_of(row);
    if (question.id.empty()) {
      fail(ErrorCode::not_found, "{}: expected the picture of that name (.jpg or .png), found none",
           question.row);
    }
    const std::string text = replace_all(row.question, kYesOrNo, "");
    question.prompt = std::string(python_strip(text)) + std::string(kSingleWord);
    question.category = row.category;
    questions.push_back(std::move(question));
  }
  return questions;
}

// "yes", "no" or "other": by the first four characters.
std::string parse(std::string_view answer) {
  const std::string lower = python_lower(answer);
  size_t end = 0;
  for (int characters = 0; end < lower.size() && characters < 4; ++characters) {
    ++end;
    while (end < lower.size() && (static_cast<unsigned char>(lower[end]) & 0xC0) == 0x80)
      ++end;
  }
  const std::string_view start = std::string_view(lower).substr(0, end);
  if (start.find("yes") != std::string_view::npos) return "yes";
  return start.find("no") != std::string_view::npos ? "no" : "other";
}

// What is counted of a picture; the values of a stratum.
struct Picture {
  double questions = 0;
  double right = 0;
};

struct Category {
  std::map<std::string, Picture> pictures;

  Stratum stratum() const {
    Stratum stratum;
    for (const auto& [file, picture] : pictures) {
      const bool is_whole = picture.right == picture.questions && picture.questions >= 2;
      stratum.add({picture.questions, picture.right, 1, is_whole ? 1.0 : 0.0});
    }
    return stratum;
  }
};

double accuracy(std::span<const double> sums) {
  return sums.empty() ? 0 : 100 * sums[1] / sums[0];
}

double accuracy_plus(std::span<const double> sums) {
  return sums.empty() ? 0 : 100 * sums[3] / sums[2];
}

double points(std::span<const std::vector<double>> sums) {
  double total = 0;
  for (const auto& category : sums)
    total += accuracy(category) + accuracy_plus(category);
  return total;
}

using Categories = std::map<std::string, Category>;

void report_sum(const char* name, std::span<const char* const> members, const Categories& found,
                Score& score) {
  Statistic statistic{.strata = {}, .formula = points};
  for (const char* member : members) {
    const auto category = found.find(member);
    if (category != found.end()) statistic.strata.push_back(category->second.stratum());
  }
  Metric& metric = score.add(name, statistic);
  metric.shown = fixed(metric.value, 4);
}

void report(const Categories& categories, Score& score) {
  report_sum("perception", kPerception, categories, score);
  report_sum("cognition", kCognition, categories, score);
  using Sums = std::span<const std::vector<double>>;
  for (const auto& [name, category] : categories) {
    const Stratum stratum = category.stratum();
    score.add("category: " + name, {.strata = {stratum}, .formula = points});
    score.add("accuracy: " + name,
              {.strata = {stratum}, .formula = [](Sums sums) { return accuracy(sums[0]); }});
    score.add("accuracy+: " + name,
              {.strata = {stratum}, .formula = [](Sums sums) { return accuracy_plus(sums[0]); }});
  }
}

// What was asked: the questions file, or without it the answers themselves, which are all that
// MME's own tool knows of.
std::vector<Question> asked_questions(const DataFolder& data, const Answers& answers) {
  if (data.find({"llava_mme.jsonl", "questions.jsonl"})) return questions(data);
  std::vector<Question> asked;
  for (const Answer& answer : answers.rows) {
    Question& question = asked.emplace_back();
    question.id = answer.id;
    question.prompt = answer.prompt;
    question.row = fmt::format("{}: row {}", answers.source, answer.row);
  }
  return asked;
}

// A question of MME that no one was asked would otherwise be left out without a word.
void check_all_asked(const Gold& gold, const std::set<std::string>& asked, const Answers& answers) {
  for (const auto& [key, is_yes] : gold) {
    if (asked.contains(key)) continue;
    fail(ErrorCode::invalid_data,
         "{}: expected an answer to {}, found none; a score over fewer questions is another figure "
         "(--partial gives it)",
         answers.source, python_json(key));
  }
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  const auto llava = data.find({"llava_mme.jsonl", "questions.jsonl"});
  std::vector<Question> questions = llava ? read_llava_questions(*llava) : read_own_questions(data);
  for (Question& question : questions) {
    if (question.image.empty()) question.image = question.id;
  }
  return questions;
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  const Gold gold = read_gold(data);
  Score score;
  score.task = "mme";
  AnswerIndex index(answers,
                    [](const Answer& answer) { return asked_key(answer.id, answer.prompt); });
  Categories categories;
  std::set<std::string> asked;
  for (const Question& question : asked_questions(data, answers)) {
    const std::string key = asked_key(question.id, question.prompt);
    const Answer* answer = require_answer(index, key, question.row, options);
    if (answer == nullptr) continue;
    asked.insert(key);
    ItemScore item;
    item.id = question.id;
    item.category = question.id.substr(0, question.id.find('/'));
    item.gold = gold_of(gold, question) ? "yes" : "no";
    item.parsed = parse(answer->text);
    item.score = item.parsed == item.gold ? 1 : 0;
    item.outcome = item.parsed == "other" ? Outcome::unparsed : outcome_of(item.score);
    Picture& picture = categories[item.category].pictures[question.id];
    picture.questions += 1;
    picture.right += item.score;
    score.items.push_back(std::move(item));
  }
  const bool has_file = data.find({"llava_mme.jsonl", "questions.jsonl"}).has_value();
  if (!has_file && !options.is_partial) check_all_asked(gold, asked, answers);
  report(categories, score);
  note_leftovers(index, score);
  return score;
}

}  // namespace vila::eval::mme
