// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/random.h"
#include "base/strings.h"
#include "eval/recipe.h"
#include "eval/recipe_rows.h"
#include "eval/tasks/common.h"

namespace vila::eval {
namespace {

constexpr std::string_view kImage = "<image>";

// The most frequent answer, the first one on a tie.
std::string most_frequent(const std::vector<std::string>& answers) {
  const std::string* best = &answers.front();
  for (const std::string& answer : answers) {
    if (std::count(answers.begin(), answers.end(), answer) >
        std::count(answers.begin(), answers.end(), *best)) {
      best = &answer;
    }
  }
  return *best;
}

// A solved example: its text and pictures.
struct Example {
  std::string by;
  std::string text;
  std::vector<PictureSource> pictures;
};

// Rows of the examples in the order they are taken: as they come, or drawn by the seed.
std::vector<size_t> example_order(size_t count, int64_t seed) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (seed < 0) return order;
  Random random(static_cast<uint64_t>(seed));
  for (size_t i = count; i > 1; --i)
    std::swap(order[i - 1], order[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  return order;
}

// Examples by what `by` gives ("" for all questions alike), at most `count` of each.
class Examples {
 public:
  Examples(const DataFolder& data, const Recipe& recipe) : by_(recipe.few_shot.by) {
    const FewShot& shots = recipe.few_shot;
    if (shots.count == 0) return;
    std::vector<Row> rows = load_rows(data, shots.source, shots.join);
    PictureFinder pictures(data, shots.visual.empty() ? recipe.visual : shots.visual,
                           recipe.frames);
    for (const size_t i : example_order(rows.size(), shots.seed)) {
      Row& row = rows[i];
      const Choices choices = choices_of(row, recipe.choices);
      add_columns(row, choices);
      auto& chosen = examples_[by_.empty() ? "" : fill(by_, row)];
      if (static_cast<int64_t>(chosen.size()) == shots.count) continue;
      row.columns()["target"] = target_of(row, recipe, choices);
      chosen.push_back({.by = "",
                        .text = fill(shots.text, row),
                        .pictures = pictures.find(row, std::to_string(i))});
    }
  }

  // Those in front of a question. @throws Error{invalid_data} where there are none for it.
  std::span<const Example> of(const Row& row) const {
    if (examples_.empty()) return {};
    const auto found = examples_.find(by_.empty() ? "" : fill(by_, row));
    if (found == examples_.end()) {
      fail(ErrorCode::invalid_data, "{}: expected solved examples with {} \"{}\", found none",
           row.place, by_, fill(by_, row));
    }
    return found->second;
  }

 private:
  static std::string target_of(const Row& row, const Recipe& recipe, const Choices& choices) {
    Recipe own = recipe;
    if (!recipe.few_shot.target.empty()) own.target = recipe.few_shot.target;
    return most_frequent(golds_of(row, own, choices));
  }

  std::string by_;
  std::map<std::string, std::vector<Example>> examples_;
};

// "<image 2>" and so on become "<image>", and the pictures come in the order in which they are
// named, behind those that are not. @return how many are not
int64_t place_numbered(std::string& text, std::vector<PictureSource>& pictures) {
  std::string placed;
  std::vector<PictureSource> named;
  std::vector<bool> is_named(pictures.size(), false);
  for (size_t at = 0; at < text.size();) {
    const size_t open = std::min(text.find("<image ", at), text.size());
    placed += text.substr(at, open - at);
    if (open == text.size()) break;
    const size_t close = text.find('>', open);
    const size_t number = std::strtoul(text.c_str() + open + 7, nullptr, 10);
    at = close == std::string::npos ? text.size() : close + 1;
    if (number == 0 || number > pictures.size()) continue;  // no such picture: nothing to show
    named.push_back(pictures[number - 1]);
    is_named[number - 1] = true;
    placed += kImage;
  }
  std::vector<PictureSource> ordered;
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (!is_named[i]) ordered.push_back(pictures[i]);
  }
  const auto in_front = std::ssize(ordered);
  ordered.insert(ordered.end(), named.begin(), named.end());
  pictures = std::move(ordered);
  text = std::move(placed);
  return in_front;
}

int64_t count_images(const std::string& text) {
  return std::ssize(split(std::string_view(text), kImage)) - 1;
}

// Takes a video out of what a question shows. @throws Error{invalid_data} a video in a raw prompt
void take_video(Question& question, std::vector<PictureSource>& pictures) {
  const auto video = std::find_if(pictures.begin(), pictures.end(),
                                  [](const PictureSource& source) { return source.frames > 0; });
  if (video == pictures.end()) return;
  if (question.is_raw || pictures.size() > 1) {
    fail(ErrorCode::invalid_data,
         "{}: expected pictures where a prompt has several or no template, found the video {}",
         question.row, video->file);
  }
  question.video = video->file;
  question.video_frames = video->frames;
  pictures.clear();
}

// -1: no number.
double seconds_of(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() && end == text.data() + text.size() ? seconds : -1;
}

// Which part of its video a row is about; all of it where the row does not say.
media::TimeSpan part_of(const Row& row, const Recipe& recipe) {
  if (recipe.part.empty()) return {};
  const std::string begin = text_of(value_at(row.columns(), recipe.part[0]));
  const std::string end = text_of(value_at(row.columns(), recipe.part[1]));
  if (begin.empty() || end.empty()) return {};
  const media::TimeSpan part{seconds_of(begin), seconds_of(end)};
  if (!(part.begin >= 0 && part.end > part.begin)) {
    fail(ErrorCode::invalid_data,
         "{}: expected seconds in \"{}\" and, later, in \"{}\", found \"{}\" and \"{}\"", row.place,
         recipe.part[0], recipe.part[1], begin, end);
  }
  return part;
}

// Places the pictures of a question: those of a raw prompt stand where its form says, one alone is
// left to the runner, several go where the text names them or in front.
void place_pictures(Question& question, std::vector<PictureSource> pictures) {
  if (!question.is_raw && pictures.size() == 1 && count_images(question.prompt) == 0 &&
      question.prompt.find("<image ") == std::string::npos) {
    question.image = std::move(pictures[0].file);
    question.image_bytes = std::move(pictures[0].base64);
    return;
  }
  if (count_images(question.prompt) == 0 && !question.is_raw) {
    question.pictures_in_front = place_numbered(question.prompt, pictures);
  }
  const auto placed = count_images(question.prompt) + question.pictures_in_front;
  if (placed != std::ssize(pictures)) {
    fail(ErrorCode::invalid_data, "{}: expected as many pictures as \"<image>\", found {} and {}",
         question.row, pictures.size(), placed);
  }
  question.pictures = std::move(pictures);
}

Question make_question(const Row& row, const std::string& id, const Recipe& recipe,
                       const Examples& examples, PictureFinder& finder) {
  Question question;
  question.id = id;
  question.row = row.place;
  question.is_raw = recipe.is_raw;
  question.stop = recipe.stop;
  question.prompt = fill(recipe.description, row);
  std::vector<PictureSource> pictures;
  for (const Example& example : examples.of(row)) {
    question.prompt += example.text;
    pictures.insert(pictures.end(), example.pictures.begin(), example.pictures.end());
  }
  question.prompt += fill(recipe.text, row);
  for (PictureSource& picture : finder.find(row, id))
    pictures.push_back(std::move(picture));
  take_video(question, pictures);
  if (!question.video.empty()) question.video_part = part_of(row, recipe);
  if (recipe.asking == Asking::options) {
    for (const auto& [letter, text] : choices_of(row, recipe.choices))
      question.continuations.push_back(" " + std::string(1, letter));
  }
  if (!recipe.groups.empty()) {
    question.category = text_of(value_at(row.columns(), recipe.groups.front()));
  }
  place_pictures(question, std::move(pictures));
  return question;
}

std::vector<Question> recipe_questions(const Recipe& recipe, const DataFolder& data) {
  const std::vector<Row> rows = recipe_rows(recipe, data);
  const std::vector<std::string> ids = row_ids(rows, recipe.id);
  const Examples examples(data, recipe);
  PictureFinder finder(data, recipe.visual, recipe.frames);
  std::vector<Question> questions;
  for (size_t i = 0; i < rows.size(); ++i)
    questions.push_back(make_question(rows[i], ids[i], recipe, examples, finder));
  return questions;
}

// What decides the figure beside questions and prompts, which the protocol id hashes by themselves.
std::string protocol_of(const Recipe& recipe) {
  std::string text = fmt::format("recipe; {}", rule_name(recipe.rule));
  if (recipe.asking == Asking::options) text += "; most probable letter";
  if (recipe.few_shot.count > 0) {
    text += fmt::format("; {} examples, {}", recipe.few_shot.count,
                        recipe.few_shot.seed < 0
                            ? "the first"
                            : fmt::format("drawn with seed {}", recipe.few_shot.seed));
  }
  if (recipe.aggregate == Aggregate::mean_of_groups) text += "; mean of groups";
  for (const std::string& stop : recipe.stop)
    text += fmt::format("; until {}", python_json(stop));
  return text;
}

}  // namespace

Task recipe_task(const Recipe& recipe) {
  Task task;
  task.name = recipe.name;
  task.title = recipe.title;
  task.protocol = protocol_of(recipe);
  task.questions = [recipe](const DataFolder& data) { return recipe_questions(recipe, data); };
  task.score = [recipe](const DataFolder& data, const Answers& answers,
                        const ScoreOptions& options) {
    return recipe_score(recipe, data, answers, options);
  };
  task.max_tokens = recipe.max_tokens;
  task.asking = recipe.asking;
  return task;
}

}  // namespace vila::eval
