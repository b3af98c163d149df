// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/eval_model.h"
#include "cli/feature_cache.h"
#include "cli/interrupt.h"
#include "cli/judge_options.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "eval/compare.h"
#include "eval/harness.h"
#include "eval/recipe.h"
#include "eval/report.h"
#include "formats/checkpoint.h"
#include "text/chat_template.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct EvalCommand {
  std::vector<std::string> words;  // tasks, "compare A B", or "recipe NAME"
  ModelOptions model;
  std::string against;  // another model to ask the same
  std::string data;
  std::string out;
  std::string chat_template;
  std::string features;       // folder of rows of pictures; "": in `out`; "none": no such folder
  double features_limit = 4;  // GiB
  JudgeOptions judge;
  int64_t limit = 0;
  int64_t batch = 16;
  bool is_resumed = false;
  bool has_json = false;
};

void print_comparison(const EvalCommand& command, const eval::Comparison& found) {
  if (command.has_json) {
    write_json(eval::comparison_json(found));
  } else {
    write_out(eval::comparison_text(found));
  }
}

int compare(const EvalCommand& command) {
  if (command.words.size() != 3) {
    fail(ErrorCode::invalid_argument,
         "eval compare: expected two folders of results, found {}; e.g. vila eval compare a/pope "
         "b/pope",
         command.words.size() - 1);
  }
  print_comparison(command, eval::compare_results(command.words[1], command.words[2]));
  return 0;
}

// The task's own subfolder where there is one.
fs::path data_folder(const EvalCommand& command, const eval::Task& task) {
  const fs::path own = fs::path(command.data) / task.name;
  return fs::is_directory(own) ? own : fs::path(command.data);
}

void show_progress(const eval::Task& task, const eval::Progress& progress) {
  constexpr int64_t kStep = 100;  // where no one watches, a line now and then
  const bool is_last = progress.done == progress.total;
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  if (!is_terminal && !is_last && progress.done % kStep != 0) return;
  const auto seconds = static_cast<int64_t>(progress.seconds_left);
  const std::string line = fmt::format("{}: {}/{}, {}:{:02} left", task.name, progress.done,
                                       progress.total, seconds / 60, seconds % 60);
  if (is_terminal && !is_last) {
    fmt::print(stderr, "\r{}   ", line);
  } else {
    print_note((is_terminal ? "\r" : "") + line);
  }
}

void write_cards(const fs::path& out, const std::string& model, const std::vector<Json>& results) {
  write_file(out / "card.md", eval::markdown_card(model, results));
  write_file(out / "card.json", eval::json_card(model, results).dump(2) + "\n");
}

void print_result(const EvalCommand& command, const Json& result) {
  if (command.has_json) {
    write_json(result);
    return;
  }
  const std::string reported = result.value("reported", "");
  const std::string shown =
      reported.empty() ? "no public answers, see the file for the server"
                       : fmt::format("{} {}", reported, result["shown"].value(reported, ""));
  write_out(fmt::format("{}: {} (protocol {})\n", result.value("task", ""), shown,
                        result.value("protocol_id", "")));
}

std::vector<eval::Task> chosen_tasks(const EvalCommand& command) {
  if (command.data.empty() || command.out.empty() || command.words.empty()) {
    fail(ErrorCode::invalid_argument, "eval: expected TASK, --data and --out");
  }
  std::vector<eval::Task> tasks;
  for (const std::string& word : command.words)
    tasks.push_back(eval::find_task(word));
  return tasks;
}

// Where the rows of pictures are kept, so that a picture of several benchmarks, runs or models with
// the same tower is encoded once; nullptr where they are not kept.
std::shared_ptr<engine::RowStore> open_features(const EvalCommand& command,
                                                const formats::Checkpoint& checkpoint,
                                                engine::Engine& engine,
                                                const ModelOptions& options) {
  constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
  if (command.features == "none") return nullptr;
  const std::string tower = tower_fingerprint(checkpoint, engine, options);
  if (tower.empty()) return nullptr;
  const fs::path folder =
      command.features.empty() ? fs::path(command.out) / "features" : fs::path(command.features);
  return std::make_shared<FeatureCache>(folder, tower,
                                        static_cast<int64_t>(command.features_limit * kGib));
}

// Asks one model all benchmarks; results go to folders of `out` named after them.
void run_model(const EvalCommand& command, const ModelOptions& options,
               std::span<const eval::Task> tasks, const fs::path& out,
               const InterruptGuard& interrupt) {
  constexpr int64_t kContext = 4096;
  const formats::Checkpoint checkpoint = formats::open_checkpoint(find_model(options));
  engine::Engine engine = load_engine(checkpoint, options, kContext);
  engine.keep_picture_rows(open_features(command, checkpoint, engine, options));
  const text::ChatTemplate& chat_template = command.chat_template.empty()
                                                ? engine.chat_template()
                                                : text::find_chat_template(command.chat_template);
  const std::string name = resolve_model(options.model).filename().string();
  const eval::Model model = eval_model(engine, chat_template);
  eval::PictureStore pictures;
  std::vector<Json> results;
  for (const eval::Task& task : tasks) {
    const eval::DataFolder data(data_folder(command, task));
    eval::EvalOptions run{
        .out = out / task.name,
        .limit = command.limit,
        .batch = command.batch,
        .is_resumed = command.is_resumed,
        .model = name,
        .decoding = fmt::format("greedy, {}", chat_template.name),
        .on_progress = [&](const eval::Progress& progress) { show_progress(task, progress); },
        .is_cancelled = [&] { return interrupt.is_raised(); }};
    if (is_judged(task, command.judge)) {
      run.decoding += ", judged by " + command.judge.model;
      run.judge = [&](const eval::Answers& answers) {
        return judged_answers(task, data, answers, command.judge, run.out / "reviews.json",
                              run.is_cancelled);
      };
    }
    results.push_back(eval::run_task(task, data, model, pictures, run));
    print_result(command, results.back());
    write_cards(out, name, results);
  }
}

// Two models on the same questions: folders a and b, and what they differ in.
int run_pair(const EvalCommand& command, std::span<const eval::Task> tasks,
             const InterruptGuard& interrupt) {
  const fs::path out = command.out;
  ModelOptions other = command.model;
  other.model = command.against;
  run_model(command, command.model, tasks, out / "a", interrupt);
  run_model(command, other, tasks, out / "b", interrupt);
  for (const eval::Task& task : tasks) {
    if (!fs::exists(out / "a" / task.name / "items.jsonl")) continue;
    const eval::Comparison found =
        eval::compare_results(out / "a" / task.name, out / "b" / task.name);
    write_file(out / (task.name + ".compare.json"), eval::comparison_json(found).dump(2) + "\n");
    print_comparison(command, found);
  }
  return 0;
}

int run_tasks(const EvalCommand& command) {
  const std::vector<eval::Task> tasks = chosen_tasks(command);
  const InterruptGuard interrupt;
  if (!command.against.empty()) return run_pair(command, tasks, interrupt);
  run_model(command, command.model, tasks, command.out, interrupt);
  return 0;
}

int evaluate(const EvalCommand& command) {
  const std::string first = command.words.empty() ? "" : command.words.front();
  if (first == "compare") return compare(command);
  if (first == "recipe" && command.words.size() == 2) {
    write_out(eval::shipped_recipe_text(command.words[1]));
    return 0;
  }
  return run_tasks(command);
}

}  // namespace

Action add_eval(CLI::App& app) {
  auto command = std::make_shared<EvalCommand>();
  app.add_option(
         "tasks", command->words,
         "Benchmarks, e.g. pope mme (a wrong name lists all), or files of recipes (.yaml); or: "
         "compare A B, two folders of results of one benchmark; or: recipe NAME, prints a "
         "shipped recipe")
      ->type_name("TASK...")
      ->required();
  add_engine_options(app, command->model);
  app.add_option("--data", command->data,
                 "The folder with the files as published, or with a folder for each TASK")
      ->type_name("DIR");
  app.add_option("--out", command->out, "Where answers, scores, report and card go")
      ->type_name("DIR");
  app.add_option("--chat-template", command->chat_template, "Another template than the model's")
      ->type_name("NAME");
  app.add_option("--against", command->against,
                 "Ask a second model the same and compare the two, e.g. the quantised one")
      ->type_name("MODEL");
  app.add_option("--batch", command->batch, "Questions answered together; the answers are the same")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--features", command->features,
                 "Where encoded pictures are kept, for other runs too; none: nowhere. Default: "
                 "features in --out")
      ->type_name("DIR");
  app.add_option("--features-limit", command->features_limit, "At most so much of them, in GiB")
      ->type_name("GIB")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_judge_options(app, command->judge);
  app.add_option("--limit", command->limit, "Only the first N questions")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_flag("--resume", command->is_resumed, "Go on where an earlier run stopped");
  app.add_flag("--json", command->has_json, "One JSON document a line, one for each benchmark");
  return [command] { return evaluate(*command); };
}

}  // namespace vila::cli
