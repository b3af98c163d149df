// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "engine/row_history.h"
#include "engine/sampler.h"
#include "engine/speculation.h"
#include "engine/stop.h"
#include "model/kv_cache.h"
#include "spec/config.h"
#include "text/detokenizer.h"

namespace vila::engine {

/// One answer in the making: cache, sampler, stop rules and what came out so far. An owner; one
/// thread.
class Sequence {
 public:
  /// What an answer starts from. `ids` is the prompt (pictures as kImageToken), `rows` what stands
  /// in each row of it, `cache` holds the keys and values of the first of them, maybe of none.
  struct Start {
    const spec::VilaConfig& config;
    const text::Tokenizer& tokenizer;
    const GenerateOptions& options;
    std::span<const text::TokenId> ids;
    RowHistory rows;
    model::KvCache cache;
  };

  /// Rows of prompt and answer, as far as the context reaches.
  static int64_t rows_needed(const spec::VilaConfig& config, const GenerateOptions& options,
                             int64_t prompt_rows);

  Sequence(Start start, OnText on_text);

  model::KvCache& cache() noexcept { return cache_; }

  /// What stands in the rows of prompt and answer; the cache has keys and values of the first
  /// cache().length() of them.
  const RowHistory& rows() const noexcept { return rows_; }

  Timings& timings() noexcept { return result_.timings; }

  Usage& usage() noexcept { return result_.usage; }

  bool is_finished() const noexcept { return !result_.finish_reason.empty(); }

  /// The token to run next. @pre !is_finished() and accept() was called
  text::TokenId last_token() const { return result_.token_ids.back(); }

  /// Chooses the next token from its logits [V] and decides whether the answer ends.
  /// @throws Error{failed} when the logits are not finite.
  void accept(std::span<const float> logits);

  /// Tokens to try behind last_token() in one step, as far as they could be accepted; none: a plain
  /// step. @pre as last_token()
  std::vector<text::TokenId> draft();
  /// What a step of this sequence alone took, how many tokens it tried and how many were right.
  void record_step(int64_t drafted, int64_t right, double milliseconds);

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
  RowHistory rows_;
  Speculation speculation_;
  Sampler sampler_;
  StopMatcher stop_;
  text::Detokenizer detokenizer_;
  Result result_;
};

}  // namespace vila::engine
