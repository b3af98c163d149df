// SPDX-License-Identifier: Apache-2.0
#include <map>
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
};

// Ids of videos start with "v".
bool is_image_id(std::string_view id) {
  return !id.starts_with('v');
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
    } else {
      cursor.skip();
    }
  }
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
  return read_llava_questions(
      data.require("the questions", {"llava-seed-bench.jsonl", "questions.jsonl"}));
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
