// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "base/error.h"
#include "eval/task.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/tables.h"

namespace vila::eval {
namespace {

// LLaVA's "loader" runner stops after 128 tokens, its other runners after 1024.
constexpr int64_t kShort = 128;
constexpr int64_t kLong = 1024;

constexpr std::array kTasks = {
    Task{"vqav2", "VQAv2", "single word; m4c; VQA accuracy", vqav2::questions, vqav2::score,
         vqav2::upload, kShort, 1, 1},
    Task{"gqa", "GQA", "single word; rstrip '.', lower; exact", gqa::questions, gqa::score,
         gqa::upload, kShort, 1, 1},
    Task{"vizwiz", "VizWiz", "unanswerable, single word; m4c; VizWiz accuracy", vizwiz::questions,
         vizwiz::score, vizwiz::upload, kShort, 1, 1},
    Task{"scienceqa", "SQA-I", "option letter; LLaVA's parser, no fallback; accuracy",
         scienceqa::questions, scienceqa::score, nullptr, kLong, 1, 1},
    Task{"textvqa", "VQA-T", "OCR tokens, single word; m4c; VQA accuracy", textvqa::questions,
         textvqa::score, nullptr, kShort, 1, 1},
    Task{"pope", "POPE", "single word; 'No', 'not', 'no' before the first '.'; mean F1",
         pope::questions, pope::score, nullptr, kShort, 1, 1},
    Task{"mme", "MME", "single word; first four characters; acc + acc+", mme::questions, mme::score,
         nullptr, kShort, 1, 1},
    Task{"mmbench", "MMB", "option letter; VLMEvalKit's rules, no judge; circular",
         mmbench::questions, mmbench::score, mmbench::upload, kLong, 1, 100},
    Task{"mmbench-cn", "MMB-CN", "option letter (Chinese); VLMEvalKit's rules, no judge; circular",
         mmbench::questions_cn, mmbench::score_cn, nullptr, kLong, 1, 100},
    Task{"seed-bench", "SEED", "option letter; exact letter; accuracy", seed_bench::questions,
         seed_bench::score, seed_bench::upload, kShort, 1, 1},
    Task{"llava-bench", "LLaVA-W", "question alone; judge's two scores; ratio",
         llava_bench::questions, llava_bench::score, nullptr, kLong, 1, 1},
    Task{"mm-vet", "MM-Vet", "question alone; judge's grades; mean", mm_vet::questions,
         mm_vet::score, mm_vet::upload, kLong, 1, 1},
    tables::task<0>(),
    tables::task<1>(),
    tables::task<2>(),
    tables::task<3>(),
    tables::task<4>(),
    tables::task<5>(),
    tables::task<6>()};

constexpr size_t kPaperTasks = 12;
static_assert(kTasks.size() == kPaperTasks + tables::kRows.size());

}  // namespace

std::span<const Task> tasks() {
  return kTasks;
}

std::span<const Task> paper_tasks() {
  return std::span(kTasks).first(kPaperTasks);
}

const Task& find_task(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Task& task : kTasks) {
    if (task.name == name) return task;
    names.push_back(task.name);
  }
  fail(ErrorCode::invalid_argument, "task: expected one of {}, found \"{}\"",
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
