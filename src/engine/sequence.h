// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/stop.h"
#include "model/kv_cache.h"
#include "spec/config.h"
#include "text/detokenizer.h"

namespace vila::engine {

/// One answer in the making: cache, sampler, stop rules and what came out so far. An owner; one
/// thread.
class Sequence {
 public:
  /// What an answer starts from. `ids` is the prompt (pictures as kImageToken), `rows` its length
  /// after splicing.
  struct Start {
    const spec::VilaConfig& config;
    const text::Tokenizer& tokenizer;
    const GenerateOptions& options;
    std::span<const text::TokenId> ids;
    int64_t rows = 0;
  };

  Sequence(const Start& start, OnText on_text);

  model::KvCache& cache() noexcept { return cache_; }

  Timings& timings() noexcept { return result_.timings; }

  Usage& usage() noexcept { return result_.usage; }

  bool is_finished() const noexcept { return !result_.finish_reason.empty(); }

  /// The token to run next. @pre !is_finished() and accept() was called
  text::TokenId last_token() const { return result_.token_ids.back(); }

  /// Chooses the next token from its logits [V] and decides whether the answer ends.
  /// @throws Error{failed} when the logits are not finite.
  void accept(std::span<const float> logits);

  /// The finished answer. @pre is_finished()
  Result take_result() { return std::move(result_); }

 private:
  void choose(std::span<const float> logits);
  bool ends(text::TokenId id) const;
  bool emit(const std::string& text);
  void finish(const char* reason);

  const text::Tokenizer& tokenizer_;
  std::vector<text::TokenId> end_ids_;  // EOS, and stop strings that are one special token
  int64_t max_tokens_;
  bool ignores_eos_;
  int64_t logprobs_;
  OnText on_text_;
  model::KvCache cache_;
  Sampler sampler_;
  StopMatcher stop_;
  text::Detokenizer detokenizer_;
  Result result_;
};

}  // namespace vila::engine
