// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/quantize_run.h"
#include "quantize/card.h"

namespace vila::cli {
namespace {

struct QuantizeCommand {
  QuantizeOptions options;
  bool has_json = false;
};

int quantize_model(const QuantizeCommand& command) {
  const Json card = run_quantize(command.options);
  if (command.has_json) {
    write_json(card);
  } else {
    write_out(quantize::card_text(card));
  }
  return 0;
}

void add_method(CLI::App& app, QuantizeOptions& options) {
  app.add_option("--method", options.method,
                 "awq: scales and clips of AWQ; awq+gptq: then rounding errors made up for, which "
                 "needs 32 windows of calibration or more; rtn: round to nearest")
      ->check(CLI::IsMember({"awq", "awq+gptq", "rtn"}))
      ->capture_default_str();
  app.add_option("--bits", options.bits, "3 only with --to floats")
      ->check(CLI::Range(3, 4))
      ->capture_default_str();
  app.add_option("--group", options.group, "Inputs that share a scale")
      ->check(CLI::IsMember({32, 64, 128}))
      ->capture_default_str();
  app.add_option(
         "--to", options.target,
         "awq: llm-awq's v2 .pt; autoawq: AutoAWQ's safetensors (the default for a folder); "
         "vila: one file, packed as it runs; floats: the values, for study")
      ->check(CLI::IsMember({"awq", "autoawq", "vila", "floats"}));
  app.add_flag("--head8", options.has_8bit_head,
               "Embeddings and output matrix in 8 bits a row as well (.vila, or --to floats)");
  app.add_option("--vision", options.vision,
                 "Tower and projector: f16 (floats, as they are stored) or w8a8 (8 bits a row, run "
                 "on 8-bit activations; .vila)")
      ->check(CLI::IsMember({"f16", "w8a8"}))
      ->capture_default_str();
}

void add_calibration(CLI::App& app, QuantizeOptions& options) {
  app.add_option("--calibration", options.calibration,
                 "A text, or .jsonl: prompts with pictures as `vila run --batch` reads them")
      ->type_name("FILE");
  app.add_option("--samples", options.windows.samples, "At most so many windows or prompts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--window", options.windows.tokens, "Tokens of a window of text")
      ->check(CLI::Range(int64_t{16}, int64_t{1} << 16))
      ->capture_default_str();
  app.add_option("--seed", options.windows.seed, "Which windows, when there are more");
  app.add_option("--save-search", options.save_search, "Scales and clips as llm-awq stores them")
      ->type_name("FILE");
  app.add_option("--load-search", options.load_search, "Use these instead of searching")
      ->type_name("FILE");
  app.add_flag("--resume", options.is_resumed, "Go on behind the finished layers in OUT.work");
}

void add_evaluation(CLI::App& app, QuantizeOptions& options) {
  app.add_option("--eval-text", options.eval_text, "Perplexity of this text before and after")
      ->type_name("FILE");
  app.add_option("--eval-windows", options.eval_windows, "Windows of it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--eval-context", options.eval_context, "Tokens of a window")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 20))
      ->capture_default_str();
}

}  // namespace

Action add_quantize(CLI::App& app) {
  auto command = std::make_shared<QuantizeCommand>();
  QuantizeOptions& options = command->options;
  app.add_option("in", options.model.model,
                 "A checkpoint folder, a .vila or .gguf file, or the name of a model")
      ->required();
  app.add_option("out", options.out, "A folder, or a .vila or .pt file; appears when complete")
      ->required();
  add_method(app, options);
  add_calibration(app, options);
  add_evaluation(app, options);
  app.add_option("-t,--threads", options.model.threads, "Threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--isa", options.model.isa, "Instruction set: scalar, avx2, avx512")
      ->type_name("NAME");
  app.add_flag("--json", command->has_json, "The quality card as one JSON document");
  return [command] { return quantize_model(*command); };
}

}  // namespace vila::cli
