// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"

namespace vila::cli {
namespace {

struct PerplexityOptions {
  ModelOptions model;
  std::string text;
  int64_t context = 2048;
  int64_t windows = 0;  // 0: all
  bool has_json = false;
};

struct Windows {
  std::vector<double> nll;  // mean over the predictions of each window
  double total = 0;         // summed over all predictions
  int64_t tokens = 0;       // predictions

  double mean() const { return total / static_cast<double>(tokens); }
};

// The whole text is tokenised once (beginning-of-text at its start only) and cut into windows that
// share nothing; the first token of a window is read but not predicted.
Windows measure(engine::Engine& engine, const PerplexityOptions& options) {
  const std::vector<text::TokenId> ids = engine.tokenizer().encode(read_file(options.text));
  const auto size =
      static_cast<size_t>(std::min(options.context, engine.config().model_max_length));
  Windows windows;
  for (size_t begin = 0; begin + 1 < ids.size(); begin += size) {
    if (options.windows > 0 && static_cast<int64_t>(windows.nll.size()) == options.windows) break;
    const size_t count = std::min(size, ids.size() - begin);
    if (count < size && !windows.nll.empty()) break;  // an uneven rest would weigh differently
    const std::vector<double> losses = engine.token_losses(std::span(ids).subspan(begin, count));
    const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
    windows.nll.push_back(sum / static_cast<double>(losses.size()));
    windows.total += sum;
    windows.tokens += static_cast<int64_t>(losses.size());
  }
  if (windows.tokens == 0) {
    fail(ErrorCode::invalid_data, "{}: expected at least two tokens, found {}", options.text,
         ids.size());
  }
  return windows;
}

int perplexity(const PerplexityOptions& options) {
  engine::Engine engine = load_engine(options.model, options.context);
  const Windows windows = measure(engine, options);
  const double value = std::exp(windows.mean());
  if (options.has_json) {
    write_json({{"windows", windows.nll},
                {"tokens", windows.tokens},
                {"total_nll", windows.total},
                {"mean_nll", windows.mean()},
                {"perplexity", value}});
  } else {
    write_out(fmt::format("perplexity {:.4f} over {} tokens in {} windows\n", value, windows.tokens,
                          windows.nll.size()));
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
