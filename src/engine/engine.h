// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "media/image.h"
#include "ops/context.h"
#include "spec/config.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// How to choose tokens and when to stop. Names are those of llama.cpp, OpenAI and Hugging Face.
struct GenerateOptions {
  double temperature = 0.2;     // 0: greedy, lowest id on a tie
  int64_t top_k = 50;           // 0: off. Order as in transformers: temperature, top-k, top-p
  double top_p = 1.0;
  double min_p = 0.0;
  double repeat_penalty = 1.0;  // CTRL paper, over prompt and answer; 1: off
  uint64_t seed = 0;
  int64_t max_tokens = 512;
  std::vector<std::string> stop;  // stop strings, left out of the text
  int64_t logprobs = -1;          // >= 0: logprob of each token and of that many alternatives
};

/// A prompt as text (template already applied, "<image>" where pictures go) and its pictures.
struct Request {
  std::string prompt;
  std::vector<std::shared_ptr<const media::Image>> images;  // the same pointer is encoded once
  GenerateOptions options;
};

struct TokenLogprob {
  text::TokenId id = 0;
  double logprob = 0;
  std::vector<std::pair<text::TokenId, double>> top;  // best first
};

struct Usage {
  int64_t prompt_tokens = 0;  // rows of the spliced prompt, pictures included
  int64_t image_tokens = 0;
  int64_t completion_tokens = 0;
};

struct Timings {  // milliseconds
  double media = 0, vision = 0, prefill = 0, decode = 0;
};

struct Result {
  std::string text;
  std::string finish_reason;  // "stop" or "length"
  std::vector<text::TokenId> token_ids;  // without the EOS
  Usage usage;
  Timings timings;
  std::vector<TokenLogprob> logprobs;
};

/// Called with each new piece of text (whole characters only); false stops the answer.
using OnText = std::function<bool(std::string_view)>;

struct LoadOptions {
  int threads = 0;  // 0: all cores this process may use
  std::string isa;  // empty: best here
};

/// One loaded model that answers requests. An owner; one thread.
class Engine {
 public:
  /// @throws Error{not_found | invalid_model | invalid_config | invalid_argument (isa)}
  static Engine load(const std::filesystem::path& folder, const LoadOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  const spec::VilaConfig& config() const;
  const text::Tokenizer& tokenizer() const;
  /// The template this checkpoint was trained with ("vicuna_v1" for the flat layout).
  const text::ChatTemplate& chat_template() const;
  ops::Context& context();
  int64_t weight_bytes() const;
  double load_ms() const;

  /// @throws Error{invalid_argument} placeholders and pictures differ, or the prompt is longer than
  ///         the model's context (both numbers in the message).
  Result generate(const Request& request, const OnText& on_text = {});

  /// Many requests, decoded together; a failed one gives its Error in place of a result. Each result
  /// equals what generate() gives.
  struct BatchResult {
    std::optional<Result> result;
    std::string error;
  };
  std::vector<BatchResult> generate_batch(std::span<const Request> requests);

  /// Mean negative log likelihood of each next token of `ids`, one non-overlapping window.
  std::vector<double> token_losses(std::span<const text::TokenId> ids);

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vila::engine
