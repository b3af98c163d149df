// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "eval/answers.h"
#include "eval/task.h"

namespace CLI {
class App;
}

namespace vila::cli {

/// Who judges the answers that no rule can score.
struct JudgeOptions {
  std::string url;  // "": nobody
  std::string model = "gpt-4-0613";
  std::string key_variable = "OPENAI_API_KEY";  // of the environment; unset: no key is sent
};

/// --judge, --judge-model, --judge-key.
void add_judge_options(CLI::App& app, JudgeOptions& options);

/// Whether a judge was named and the benchmark takes one.
bool is_judged(const eval::Task& task, const JudgeOptions& options);

/// Has the answers judged, going on with a file of reviews that is there, and reads the reviews.
/// @throws Error{network | not_found | invalid_data | cancelled}
eval::Answers judged_answers(const eval::Task& task, const eval::DataFolder& data,
                             const eval::Answers& answers, const JudgeOptions& options,
                             const std::filesystem::path& reviews,
                             const std::function<bool()>& is_cancelled);

}  // namespace vila::cli
