// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/perplexity.h"

namespace vila::cli {
namespace {

struct PerplexityOptions {
  ModelOptions model;
  std::string text;
  int64_t context = 2048;
  int64_t windows = 0;  // 0: all
  bool has_json = false;
};

int perplexity(const PerplexityOptions& options) {
  engine::Engine engine = load_engine(options.model, options.context);
  const Perplexity found = measure_perplexity(
      engine, {.text = options.text, .context = options.context, .windows = options.windows});
  if (options.has_json) {
    write_json({{"windows", found.nll},
                {"tokens", found.tokens},
                {"total_nll", found.total},
                {"mean_nll", found.mean()},
                {"perplexity", found.value()}});
  } else {
    write_out(fmt::format("perplexity {:.4f} over {} tokens in {} windows\n", found.value(),
                          found.tokens, found.nll.size()));
  }
  return 0;
}

}  // namespace

Action add_perplexity(CLI::App& app) {
  auto options = std::make_shared<PerplexityOptions>();
  add_engine_options(app, options->model);
  app.add_option("--text", options->text, "The text file")->type_name("FILE")->required();
  app.add_option("--context", options->context, "Tokens of a window")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 20))
      ->capture_default_str();
  app.add_option("--windows", options->windows, "Only the first N windows")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_flag("--json", options->has_json, "One JSON document with the loss of every window");
  return [options] { return perplexity(*options); };
}

}  // namespace vila::cli
