// SPDX-License-Identifier: Apache-2.0
#include "cli/judge_options.h"

#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/chat_client.h"
#include "cli/output.h"
#include "eval/judging.h"

namespace vila::cli {

void add_judge_options(CLI::App& app, JudgeOptions& options) {
  app.add_option("--judge", options.url,
                 "llava-bench, mm-vet: an OpenAI-compatible endpoint that judges the answers, e.g. "
                 "http://127.0.0.1:8080/v1")
      ->type_name("URL");
  app.add_option("--judge-model", options.model, "The judge's name there")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--judge-key", options.key_variable,
                 "The environment variable that has the key, where one is needed")
      ->type_name("VARIABLE")
      ->capture_default_str();
}

bool is_judged(const eval::Task& task, const JudgeOptions& options) {
  return !options.url.empty() && (task.name == "llava-bench" || task.name == "mm-vet");
}

eval::Answers judged_answers(const eval::Task& task, const eval::DataFolder& data,
                             const eval::Answers& answers, const JudgeOptions& options,
                             const std::filesystem::path& reviews,
                             const std::function<bool()>& is_cancelled) {
  const char* key = std::getenv(options.key_variable.c_str());
  const ChatEndpoint endpoint{
      .url = options.url, .model = options.model, .key = key == nullptr ? "" : key};
  eval::judge_answers(
      task.name, data, answers,
      [&](const eval::JudgeRequest& request) {
        return complete_chat(endpoint, request, is_cancelled);
      },
      reviews,
      [&](int64_t done, int64_t total) {
        constexpr int64_t kStep = 20;
        if (done % kStep == 0 || done == total)
          print_note(fmt::format("{}: {}/{} judged", task.name, done, total));
      });
  return eval::read_answers(reviews);
}

}  // namespace vila::cli
