// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "eval/recipe.h"
#include "eval/task.h"
#include "eval/tasks/benchmarks.h"

namespace vila::eval {
namespace {

// LLaVA's "loader" runner stops after 128 tokens, its other runners after 1024.
constexpr int64_t kShort = 128;
constexpr int64_t kLong = 1024;

// VILA's table.
std::vector<Task> paper_rows() {
  return {Task{"vqav2", "VQAv2", "single word; m4c; VQA accuracy", vqav2::questions, vqav2::score,
               vqav2::upload, kShort},
          Task{"gqa", "GQA", "single word; rstrip '.', lower; exact", gqa::questions, gqa::score,
               gqa::upload, kShort},
          Task{"vizwiz", "VizWiz", "unanswerable, single word; m4c; VizWiz accuracy",
               vizwiz::questions, vizwiz::score, vizwiz::upload, kShort},
          Task{"scienceqa", "SQA-I", "option letter; LLaVA's parser, no fallback; accuracy",
               scienceqa::questions, scienceqa::score, nullptr, kLong},
          Task{"textvqa", "VQA-T", "OCR tokens, single word; m4c; VQA accuracy", textvqa::questions,
               textvqa::score, nullptr, kShort},
          Task{"pope", "POPE", "single word; 'No', 'not', 'no' before the first '.'; mean F1",
               pope::questions, pope::score, nullptr, kShort},
          Task{"mme", "MME", "single word; first four characters; acc + acc+", mme::questions,
               mme::score, nullptr, kShort},
          Task{"mmbench", "MMB", "option letter; VLMEvalKit's rules, no judge; circular",
               mmbench::questions, mmbench::score, mmbench::upload, kLong, 1, 100},
          Task{"mmbench-cn", "MMB-CN",
               "option letter (Chinese); VLMEvalKit's rules, no judge; circular",
               mmbench::questions_cn, mmbench::score_cn, nullptr, kLong, 1, 100},
          Task{"seed-bench", "SEED", "option letter; exact letter; accuracy", seed_bench::questions,
               seed_bench::score, seed_bench::upload, kShort},
          Task{"llava-bench", "LLaVA-W", "question alone; judge's two scores; ratio",
               llava_bench::questions, llava_bench::score, nullptr, kLong},
          Task{"mm-vet", "MM-Vet", "question alone; judge's grades; mean", mm_vet::questions,
               mm_vet::score, mm_vet::upload, kLong}};
}

std::vector<Task> all_tasks() {
  std::vector<Task> tasks = paper_rows();
  for (const Recipe& recipe : shipped_recipes())
    tasks.push_back(recipe_task(recipe));
  return tasks;
}

// "okvqa-4shot" is the recipe "okvqa-shot" with four examples.
std::optional<Task> task_with_shots(std::string_view name) {
  constexpr std::string_view kSuffix = "shot";
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || !name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view number = name.substr(dash + 1, name.size() - dash - 1 - kSuffix.size());
  int64_t shots = 0;
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), shots);
  if (number.empty() || parsed.ec != std::errc() || parsed.ptr != number.data() + number.size()) {
    return std::nullopt;
  }
  for (Recipe recipe : shipped_recipes()) {
    if (recipe.name != std::string(name.substr(0, dash + 1)) + std::string(kSuffix)) continue;
    recipe.name = name;
    recipe.title += fmt::format(" {}-shot", shots);
    recipe.few_shot.count = shots;
    return recipe_task(recipe);
  }
  return std::nullopt;
}

bool is_recipe_file(std::string_view name) {
  return name.ends_with(".yaml") || name.ends_with(".yml");
}

}  // namespace

std::span<const Task> tasks() {
  static const std::vector<Task> all = all_tasks();
  return all;
}

std::span<const Task> paper_tasks() {
  constexpr size_t kPaperTasks = 12;
  return tasks().first(kPaperTasks);
}

Task find_task(std::string_view name) {
  if (is_recipe_file(name)) {
    return recipe_task(parse_recipe(read_file(std::string(name)), std::string(name)));
  }
  if (auto task = task_with_shots(name)) return *std::move(task);
  std::vector<std::string> names;
  for (const Task& task : tasks()) {
    if (task.name == name) return task;
    names.push_back(task.name);
  }
  fail(ErrorCode::invalid_argument,
       "task: expected one of {} (of those with \"-shot\" also \"-0shot\", \"-8shot\" and so on), "
       "or a recipe's file (.yaml), found \"{}\"",
       fmt::join(names, ", "), name);
}

Score score_answers(const Task& task, const DataFolder& data, const Answers& answers,
                    const ScoreOptions& options) {
  Score score = task.score(data, answers, options);
  const auto unparsed =
      std::count_if(score.items.begin(), score.items.end(),
                    [](const ItemScore& item) { return item.outcome == Outcome::unparsed; });
  const auto missing =
      std::count_if(score.items.begin(), score.items.end(),
                    [](const ItemScore& item) { return item.outcome == Outcome::missing; });
  if (unparsed > 0) {
    score.notes.push_back(
        fmt::format("{} answers name no option or verdict and count as wrong", unparsed));
  }
  if (missing > 0) {
    score.notes.push_back(fmt::format("{} questions have no answer and count as wrong", missing));
  }
  if (options.is_partial) {
    score.notes.push_back(
        fmt::format("a part only: {} questions with an answer are scored", score.items.size()));
  }
  return score;
}

}  // namespace vila::eval
