// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "engine/request.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// Throws Error{invalid_argument} naming the option, its range and what was found.
void validate(const GenerateOptions& options);

/// The `count` best ids (all when there are fewer), best first, the lower id first on a tie.
std::vector<text::TokenId> best_ids(std::span<const float> logits, int64_t count);

/// Log-softmax of one token and of the `top` best.
TokenLogprob token_logprob(std::span<const float> logits, text::TokenId id, int64_t top);

/// log(sum(exp(logits))), without overflow.
double log_sum_exp(std::span<const float> logits);

/// Chooses tokens from logits [V] (docs/model.md, eq. 16-19). The choice depends on options, logits
/// and the tokens accepted so far only: same seed, same text. A value; one thread.
class Sampler {
 public:
  Sampler(const GenerateOptions& options, int64_t vocab_size);

  /// Counts a token of the prompt or the answer as seen. Ids out of range (pictures) are ignored.
  void accept(text::TokenId id);

  /// @throws Error{failed} when the logits are not finite.
  text::TokenId sample(std::span<const float> logits);

 private:
  void apply_repeat_penalty(std::span<float> scores) const;
  text::TokenId draw(std::span<const float> scores);

  double temperature_;
  int64_t top_k_;
  double top_p_;
  double min_p_;
  double repeat_penalty_;
  Random random_;
  std::vector<bool> is_seen_;  // [V]
  std::vector<float> scores_;  // [V], of the step
};

}  // namespace vila::engine
