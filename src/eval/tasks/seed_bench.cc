// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval::seed_bench {
namespace {

namespace fs = std::filesystem;

struct Item {
  std::string id;
  std::string answer;
  std::string type;  // name of the question type, "" where the key does not say
  bool is_image = true;
  // What only SEED-Bench.json says:
  std::string type_id;
  std::string data_id;
  std::string question;
  std::array<std::string, 4> choices{};
};

// 0 to 3 of "choice_a" to "choice_d".
std::optional<size_t> choice_number(std::string_view key) {
  constexpr std::string_view kChoice = "choice_";
  if (key.size() != kChoice.size() + 1 || !key.starts_with(kChoice)) return std::nullopt;
  const auto number = static_cast<size_t>(key.back() - 'a');
  return number < 4 ? std::optional(number) : std::nullopt;
}

// Ids of videos start with "v".
bool is_image_id(std::string_view id) {
  return !id.starts_with('v');
}

// A text or number; anything else (scoring does not need it) is passed over.
void read_if_text(JsonCursor& cursor, std::string& value) {
  const auto kind = cursor.peek();
  if (kind == JsonCursor::Kind::string || kind == JsonCursor::Kind::number) {
    cursor.text(value);
  } else {
    cursor.skip();
  }
}

Item read_item(JsonCursor& cursor) {
  Item item;
  std::string key;
  std::string data_type;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key == "question_id") {
      cursor.text(item.id);
    } else if (key == "answer" || key == "gt_answer") {
      cursor.string(item.answer);
    } else if (key == "question_type_id") {
      cursor.text(item.type);
    } else if (key == "data_type") {
      cursor.string(data_type);
    } else if (key == "data_id") {
      read_if_text(cursor, item.data_id);
    } else if (key == "question") {
      read_if_text(cursor, item.question);
    } else if (const auto number = choice_number(key)) {
      read_if_text(cursor, item.choices[*number]);
    } else {
      cursor.skip();
    }
  }
  item.type_id = item.type;
  if (item.id.empty() || item.answer.empty()) {
    cursor.fail_here("members \"question_id\" and \"answer\" before the end");
  }
  item.is_image = data_type.empty() ? is_image_id(item.id) : data_type == "image";
  return item;
}

std::vector<Item> read_released(const std::string& text, const fs::path& path) {
  JsonCursor cursor(text, path.string());
  std::vector<Item> items;
  std::map<std::string, std::string> names;  // by type id
  std::string key;
  cursor.enter_object();
  while (cursor.next_key(key)) {
    if (key == "questions") {
      cursor.enter_array();
      while (cursor.next_item())
        items.push_back(read_item(cursor));
    } else if (key == "question_type") {
      std::string id;
      cursor.enter_object();
      while (cursor.next_key(key)) {
        cursor.text(id);
        names[id] = key;
      }
    } else {
      cursor.skip();
    }
  }
  cursor.finish();
  for (Item& item : items) {
    if (const auto name = names.find(item.type); name != names.end()) item.type = name->second;
  }
  return items;
}

// SEED-Bench.json, or the results files of its repository, whose rows carry "gt_answer".
std::vector<Item> read_key(const DataFolder& data) {
  const fs::path path = data.require("SEED-Bench's questions",
                                     {"SEED-Bench.json", "SEED-Bench*", "GPT-4V*", "*.json"});
  const std::string text = read_file(path);
  if (text.find("\"gt_answer\"") == std::string::npos) return read_released(text, path);
  std::vector<Item> items;
  std::set<std::string> seen;
  read_jsonl(path, [&](JsonCursor& line, int64_t) {
    Item item = read_item(line);
    if (seen.insert(item.id).second) items.push_back(std::move(item));
  });
  return items;
}

// What the upload lists, with the row of each: SEED-Bench.json's questions, else those asked.
std::vector<std::pair<std::string, std::string>> uploaded_ids(const DataFolder& data) {
  std::vector<std::pair<std::string, std::string>> ids;
  if (const auto path = data.find({"SEED-Bench.json"})) {
    for (Item& item : read_released(read_file(*path), *path))
      ids.emplace_back(std::move(item.id), path->string());
    return ids;
  }
  for (Question& question : questions(data))
    ids.emplace_back(std::move(question.id), std::move(question.row));
  return ids;
}

// LLaVA's names: pictures as they are published, the extracted frame of a video.
std::string picture_of(const Item& item) {
  return item.is_image ? "SEED-Bench-image/" + item.data_id
                       : fmt::format("SEED-Bench-video-image/{}_{}.png", item.type_id, item.id);
}

std::vector<Question> released_questions(const fs::path& path) {
  std::vector<Question> questions;
  for (const Item& item : read_released(read_file(path), path)) {
    Question& question = questions.emplace_back();
    question.id = item.id;
    question.id_is_number = item.id.find_first_not_of("0123456789") == std::string::npos;
    question.row = fmt::format("{}: question {}", path.string(), item.id);
    question.image = picture_of(item);
    question.prompt = item.question;
    for (size_t i = 0; i < item.choices.size(); ++i)
      question.prompt += fmt::format("\n{}. {}", "ABCD"[i], item.choices[i]);
    question.prompt += kOptionLetter;
    question.category = item.type;
  }
  return questions;
}

void report(Score& score, std::span<const Item> scored) {
  std::vector<double> all;
  std::vector<double> image;
  std::vector<double> video;
  Groups types;
  for (size_t i = 0; i < scored.size(); ++i) {
    const double found = score.items[i].score;
    all.push_back(found);
    (scored[i].is_image ? image : video).push_back(found);
    if (!scored[i].type.empty()) types.add(scored[i].type, found);
  }
  score.add("accuracy", percentage_of(all));
  score.add("image accuracy", percentage_of(image));
  score.add("video accuracy", percentage_of(video));
  types.report(score, "type");
}

}  // namespace

std::vector<Question> questions(const DataFolder& data) {
  const fs::path path = data.require(
      "the questions", {"llava-seed-bench.jsonl", "questions.jsonl", "SEED-Bench.json"});
  return path.extension() == ".json" ? released_questions(path) : read_llava_questions(path);
}

Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
  Score score;
  score.task = "seed-bench";
  AnswerIndex index(answers);
  std::vector<Item> scored;
  for (Item& item : read_key(data)) {
    const Answer* answer = index.find(item.id);
    if (answer == nullptr && options.is_partial) continue;
    ItemScore result;
    result.id = item.id;
    result.category = item.is_image ? "image" : "video";
    result.gold = item.answer;
    result.outcome = Outcome::missing;
    if (answer != nullptr) {
      result.parsed = answer->text;
      result.score = answer->text == item.answer ? 1 : 0;
      const bool is_letter =
          answer->text.size() == 1 && answer->text[0] >= 'A' && answer->text[0] <= 'D';
      result.outcome = is_letter ? outcome_of(result.score) : Outcome::unparsed;
    }
    score.items.push_back(std::move(result));
    scored.push_back(std::move(item));
  }
  report(score, scored);
  note_leftovers(index, score);
  return score;
}

Upload upload(const DataFolder& data, const Answers& answers) {
  AnswerIndex index(answers);
  Upload upload{.content = "", .name = "seed_bench_upload.jsonl"};
  for (const auto& [id, row] : uploaded_ids(data)) {
    const Answer* answer = require_answer(index, id, row, {});
    upload.content += fmt::format("{{\"question_id\": {}, \"prediction\": {}}}\n", python_json(id),
                                  python_json(answer->text));
  }
  return upload;
}

}  // namespace vila::eval::seed_bench
