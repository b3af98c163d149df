// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/judge_options.h"
#include "cli/output.h"
#include "eval/task.h"

namespace vila::cli {
namespace {

struct ScoreCommand {
  std::string task;
  std::string data;
  std::string answers;
  std::string items;
  std::string upload;
  std::string reviews;
  JudgeOptions judge;
  eval::ScoreOptions options;
  bool has_json = false;
};

void write_items(const eval::Score& score, const std::string& path) {
  AtomicFileWriter file(path);
  for (const eval::ItemScore& item : score.items)
    file.append(json_line(eval::item_json(item)) + "\n");
  file.commit();
}

void write_upload(const ScoreCommand& command, const eval::Task& task, const eval::DataFolder& data,
                  const eval::Answers& answers) {
  if (task.upload == nullptr) {
    fail(ErrorCode::invalid_argument, "--upload: {} has no server that takes a file", task.name);
  }
  write_file(command.upload, task.upload(data, answers).content);
  print_note("wrote " + command.upload);
}

int score(const ScoreCommand& command) {
  const eval::Task task = eval::find_task(command.task);
  const eval::DataFolder data(command.data);
  eval::Answers answers = eval::read_answers(command.answers);
  if (!command.upload.empty()) write_upload(command, task, data, answers);
  if (is_judged(task, command.judge)) {
    const InterruptGuard interrupt;
    answers =
        judged_answers(task, data, answers, command.judge,
                       command.reviews.empty() ? command.answers + ".reviews" : command.reviews,
                       [&] { return interrupt.is_raised(); });
  }
  const eval::Score score = eval::score_answers(task, data, answers, command.options);
  if (!command.items.empty()) write_items(score, command.items);
  if (command.has_json) {
    Json json = eval::score_json(score);
    json["protocol"] = task.protocol;
    write_json(json);
  } else {
    write_out(eval::score_text(score));
  }
  return 0;
}

}  // namespace

Action add_score(CLI::App& app) {
  auto command = std::make_shared<ScoreCommand>();
  app.add_option("task", command->task, "The benchmark, e.g. pope (a wrong name lists all)")
      ->type_name("TASK")
      ->required();
  app.add_option("--data", command->data, "The folder with its files as published")
      ->type_name("DIR")
      ->required();
  app.add_option("--answers", command->answers,
                 "The answers: JSON lines of LLaVA or ours, a server's file, or a judge's reviews")
      ->type_name("FILE")
      ->required();
  app.add_option("--protocol", command->options.protocol, "vqav2: vqa-2016 scores as before 2021")
      ->check(CLI::IsMember({"official", "vqa-2016"}))
      ->capture_default_str();
  app.add_flag("--partial", command->options.is_partial,
               "Score only the questions that have an answer");
  add_judge_options(app, command->judge);
  app.add_option(
         "--reviews", command->reviews,
         "Where the judge's reviews go, each as soon as it is there; a file that has some is "
         "gone on with. Default: beside the answers")
      ->type_name("FILE");
  app.add_option("--items", command->items, "Write each question's score as JSON lines")
      ->type_name("FILE");
  app.add_option("--upload", command->upload, "Write the file that the official server takes")
      ->type_name("FILE");
  app.add_flag("--json", command->has_json, "One JSON document with every figure");
  return [command] { return score(*command); };
}

}  // namespace vila::cli
