// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "eval/compare.h"
#include "eval/harness.h"
#include "eval/report.h"
#include "text/chat_template.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct EvalCommand {
  std::vector<std::string> words;  // tasks, or "compare A B"
  ModelOptions model;
  std::string data;
  std::string out;
  std::string chat_template;
  int64_t limit = 0;
  bool is_resumed = false;
  bool has_json = false;
};

int compare(const EvalCommand& command) {
  if (command.words.size() != 3) {
    fail(ErrorCode::invalid_argument,
         "eval compare: expected two folders of results, found {}; e.g. vila eval compare a/pope "
         "b/pope",
         command.words.size() - 1);
  }
  const eval::Comparison found = eval::compare_results(command.words[1], command.words[2]);
  if (command.has_json) {
    write_json(eval::comparison_json(found));
  } else {
    write_out(eval::comparison_text(found));
  }
  return 0;
}

// Greedy, as VILA's runners ask: "<image>", a newline, the question.
eval::Asker asker_of(engine::Engine& engine, const text::ChatTemplate& chat_template) {
  return [&](const std::shared_ptr<const media::Image>& picture, const std::string& prompt,
             int64_t max_tokens) {
    engine::Request request;
    request.options.temperature = 0;
    request.options.max_tokens = max_tokens;
    if (picture) request.images.push_back(picture);
    const std::vector<text::Message> messages = {{"user", (picture ? "<image>\n" : "") + prompt}};
    text::RenderedPrompt rendered = text::render_chat(chat_template, messages, std::nullopt, true);
    request.prompt = std::move(rendered.text);
    for (std::string& stop : rendered.stop) {
      if (!stop.empty()) request.options.stop.push_back(std::move(stop));
    }
    return engine.generate(request).text;
  };
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

void write_cards(const EvalCommand& command, const std::string& model,
                 const std::vector<Json>& results) {
  const fs::path out = command.out;
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

int run_tasks(const EvalCommand& command) {
  if (command.data.empty() || command.out.empty() || command.words.empty()) {
    fail(ErrorCode::invalid_argument, "eval: expected TASK, --data and --out");
  }
  std::vector<const eval::Task*> chosen;
  for (const std::string& word : command.words)
    chosen.push_back(&eval::find_task(word));
  constexpr int64_t kContext = 4096;
  engine::Engine engine = load_engine(command.model, kContext);
  const text::ChatTemplate& chat_template = command.chat_template.empty()
                                                ? engine.chat_template()
                                                : text::find_chat_template(command.chat_template);
  const std::string model = resolve_model(command.model.model).filename().string();
  const InterruptGuard interrupt;
  std::vector<Json> results;
  for (const eval::Task* task : chosen) {
    const eval::DataFolder data(data_folder(command, *task));
    const eval::EvalOptions options{
        .out = fs::path(command.out) / task->name,
        .limit = command.limit,
        .is_resumed = command.is_resumed,
        .model = model,
        .decoding = fmt::format("greedy, {}", chat_template.name),
        .on_progress = [task](const eval::Progress& p) { show_progress(*task, p); },
        .is_cancelled = [&] { return interrupt.is_raised(); }};
    results.push_back(eval::run_task(*task, data, asker_of(engine, chat_template), options));
    print_result(command, results.back());
    write_cards(command, model, results);
  }
  return 0;
}

int evaluate(const EvalCommand& command) {
  const bool is_comparison = !command.words.empty() && command.words.front() == "compare";
  return is_comparison ? compare(command) : run_tasks(command);
}

}  // namespace

Action add_eval(CLI::App& app) {
  auto command = std::make_shared<EvalCommand>();
  app.add_option("tasks", command->words,
                 "Benchmarks, e.g. pope mme (a wrong name lists all); or: compare A B, two folders "
                 "of results of one benchmark")
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
  app.add_option("--limit", command->limit, "Only the first N questions")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_flag("--resume", command->is_resumed, "Go on where an earlier run stopped");
  app.add_flag("--json", command->has_json, "One JSON document a line, one for each benchmark");
  return [command] { return evaluate(*command); };
}

}  // namespace vila::cli
