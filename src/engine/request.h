// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "media/image.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// Whether to try several guessed tokens in one step: never, wherever the text repeats itself, or
/// where that is measured to be faster. The answer is the same.
enum class Speculate { off, lookup, automatic };

/// How to choose tokens and when to stop. Names are those of llama.cpp, OpenAI and Hugging Face.
struct GenerateOptions {
  double temperature = 0.2;  // 0: greedy, lowest id on a tie
  int64_t top_k = 50;        // 0: off. Order as in transformers: temperature, top-k, top-p, min-p
  double top_p = 1.0;        // (0, 1]
  double min_p = 0.0;        // [0, 1]: share of the best token's probability
  double repeat_penalty = 1.0;  // CTRL paper, over prompt and answer; 1: off
  uint64_t seed = 0;
  int64_t max_tokens = 512;
  std::vector<std::string> stop;  // stop strings, left out of the text
  bool ignore_eos = false;        // go on to max_tokens after EOS: for measurements
  int64_t logprobs = -1;          // >= 0: logprob of each token and of that many alternatives
  Speculate speculate = Speculate::automatic;
};

/// The chosen frames of a video, in order. They may already be reduced to what the tower sees.
struct Video {
  std::vector<std::shared_ptr<const media::Image>> frames;
};

/// A prompt as text (template already applied, "<image>" where pictures go, "<vila/video>" where
/// videos go) and its media.
struct Request {
  std::string prompt;
  std::vector<std::shared_ptr<const media::Image>> images;  // the same pointer is encoded once
  std::vector<std::shared_ptr<const Video>> videos{};       // as well
  GenerateOptions options;
};

/// Natural logarithms of probabilities under the model itself (no temperature, no penalty).
struct TokenLogprob {
  text::TokenId id = 0;
  double logprob = 0;
  std::vector<std::pair<text::TokenId, double>> top;  // best first
};

/// How many rows went through the decoder, as OpenAI counts tokens.
struct Usage {
  int64_t prompt_tokens = 0;  // rows of the spliced prompt, pictures included
  int64_t image_tokens = 0;
  int64_t cached_tokens = 0;  // rows of the prompt whose keys and values were there already
  int64_t completion_tokens = 0;
  int64_t drafted_tokens = 0;   // guessed tokens that were tried
  int64_t accepted_tokens = 0;  // and those that were right
};

/// Where the time of a request went, in milliseconds.
struct Timings {
  double media = 0;    // geometry and normalisation of the pictures
  double vision = 0;   // tower and projector
  double prefill = 0;  // the prompt through the decoder
  double decode = 0;   // all tokens of the answer; in a batch, the steps it took part in
};

/// A finished answer.
struct Result {
  std::string text;
  std::string finish_reason;             // "stop" or "length"
  std::vector<text::TokenId> token_ids;  // without the EOS
  Usage usage;
  Timings timings;
  std::vector<TokenLogprob> logprobs;  // one per token id where asked for
};

/// Called with each new piece of text (whole characters only); false stops the answer.
using OnText = std::function<bool(std::string_view)>;

}  // namespace vila::engine
