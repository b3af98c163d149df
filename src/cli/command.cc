// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "vila/error.h"

namespace vila::cli {
namespace {

constexpr Command kCommands[] = {
    {"run", "Answer one prompt about pictures or text, or a file of prompts",
     "vila run --image cat.jpg \"What is this?\"", add_run},
    {"chat", "Talk with the model in the terminal", "vila chat -m nano", add_chat},
    {"inspect", "Show parts, shapes and memory needs of a checkpoint",
     "vila inspect nano --memory --context 1024 --images 2", add_inspect},
    {"tokenize", "Text to token ids, JSON lines in and out",
     "echo '{\"text\": \"a cat\"}' | vila tokenize -m nano", add_tokenize},
    {"detokenize", "Token ids to text, JSON lines in and out",
     "echo '{\"ids\": [1, 263, 6635]}' | vila detokenize -m nano", add_detokenize},
    {"render", "Messages to the prompt the model reads, JSON lines in and out",
     "echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}' | vila render -m nano",
     add_render},
    {"explain", "Show what the model sees of a picture",
     "vila explain -m nano --image cat.jpg --out seen \"What is this?\"", add_explain},
    {"verify", "Compare every tensor of a reference case with what this program computes",
     "vila verify path/to/case", add_verify},
    {"bench", "Measure speed and memory on this machine", "vila bench -m nano --image --json",
     add_bench},
    {"doctor", "What this machine can do, whether the kernels are right, what fits", "vila doctor",
     add_doctor},
    {"perplexity", "How well the model predicts a text",
     "vila perplexity -m nano --text book.txt --context 512", add_perplexity},
    {"convert", "From one form of a model to another: folder, .vila, GGUF",
     "vila convert nano nano.vila", add_convert},
    {"pull", "Download a model of the Hugging Face Hub, or go on with it",
     "vila pull Efficient-Large-Model/VILA1.5-3b", add_pull},
    {"list", "Show the downloaded models", "vila list", add_list},
    {"rm", "Remove a downloaded model", "vila rm Efficient-Large-Model/VILA1.5-3b", add_rm},
    {"quantize", "Make a 4-bit model by AWQ, or plain rounding",
     "vila quantize vila-7b vila-7b.vila --calibration prompts.jsonl", add_quantize},
    {"train", "Train from a recipe", "vila train recipes/nano/all.yaml --resume", add_train},
    {"eval", "Run benchmarks and score them, or compare two results",
     "vila eval pope mme -m nano --data benchmarks --out results --limit 100", add_eval},
    {"score", "Score the answers to a benchmark as its authors do, without a model",
     "vila score pope --data pope --answers answers.jsonl", add_score},
    {"data", "Build, check, count and preview data sets", "vila data check train.json", add_data},
};

}  // namespace

Action add_commands(CLI::App& app, std::span<const Command> rows) {
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Action>> added;
  for (const Command& row : rows) {
    CLI::App* command = app.add_subcommand(row.name, row.summary);
    command->footer(std::string("Example:\n  ") + row.example);
    added.emplace_back(command, row.add(*command));
  }
  return [added] {
    for (const auto& [command, action] : added) {
      if (command->parsed()) return action();
    }
    return exit_code(ErrorCode::invalid_argument);
  };
}

std::span<const Command> commands() {
  return kCommands;
}

}  // namespace vila::cli
