// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/request.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// Guesses how a text goes on from where its last tokens stood before (Saxena, "Prompt lookup
/// decoding", 2023): an answer that quotes its prompt, or itself, is guessed right. A value.
class PromptLookup {
 public:
  explicit PromptLookup(std::span<const text::TokenId> prompt)
      : ids_(prompt.begin(), prompt.end()) {}

  /// One more token of the text.
  void accept(text::TokenId id) { ids_.push_back(id); }

  /// Up to `most` tokens that followed the last other place where the last three tokens stand, or
  /// else the last two; none where there is no such place. Never a placeholder of a picture.
  std::vector<text::TokenId> guess(int64_t most) const;

 private:
  std::vector<text::TokenId> ids_;
};

/// Decides when to guess tokens, and how many, from what guesses cost and brought so far in this
/// answer. It changes how fast tokens come, never which. A value; one thread.
class Speculation {
 public:
  Speculation(Speculate mode, std::span<const text::TokenId> prompt)
      : mode_(mode), lookup_(prompt) {}

  /// One more token of the answer.
  void accept(text::TokenId id) { lookup_.accept(id); }

  /// Tokens to try in the next step, at most `most`; none: a plain step.
  std::vector<text::TokenId> draft(int64_t most);

  /// What a step took, how many tokens it tried and how many of them were right.
  void record(int64_t drafted, int64_t right, double milliseconds);

 private:
  bool pays() const;

  Speculate mode_;
  PromptLookup lookup_;
  int64_t length_ = kFirstLength;  // of the next draft
  double plain_ms_ = 0;            // running means: time of a plain step, 0 before the first,
  double drafted_ms_ = 0;          // of one with a draft,
  double drafted_tokens_ = 0;      // and the tokens that such a step brought
  int64_t pause_ = 0;              // plain steps before the next draft
  int64_t next_pause_ = kFirstPause;

  static constexpr int64_t kFirstLength = 3;
  static constexpr int64_t kMaxLength = 7;
  static constexpr int64_t kFirstPause = 8;
  static constexpr int64_t kMaxPause = 128;
};

}  // namespace vila::engine
