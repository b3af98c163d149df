// SPDX-License-Identifier: Apache-2.0
#include "engine/speculation.h"

#include <algorithm>

namespace vila::engine {
namespace {

constexpr std::ptrdiff_t kLongestMatch = 3;
constexpr std::ptrdiff_t kShortestMatch = 2;

// A running mean that follows the last eight or so values; the first is taken as it is.
void follow(double& mean, double value) {
  constexpr double kShare = 0.125;
  mean = mean == 0 ? value : mean + kShare * (value - mean);
}

}  // namespace

std::vector<text::TokenId> PromptLookup::guess(int64_t most) const {
  for (std::ptrdiff_t size = kLongestMatch; size >= kShortestMatch; --size) {
    if (std::ssize(ids_) <= size || most <= 0) continue;
    const auto suffix = ids_.end() - size;
    // The last token may not end the match: something has to follow it.
    const auto found = std::find_end(ids_.begin(), ids_.end() - 1, suffix, ids_.end());
    if (found == ids_.end() - 1) continue;
    const auto begin = found + size;
    const auto end = begin + std::min<std::ptrdiff_t>(most, ids_.end() - begin);
    return {begin, std::find_if(begin, end, [](text::TokenId id) { return id < 0; })};
  }
  return {};
}

bool Speculation::pays() const {
  return drafted_ms_ == 0 || drafted_tokens_ * plain_ms_ > drafted_ms_;
}

std::vector<text::TokenId> Speculation::draft(int64_t most) {
  if (mode_ == Speculate::off) return {};
  if (mode_ == Speculate::automatic) {
    if (plain_ms_ == 0) return {};  // nothing yet to compare with
    if (pause_ > 0) {
      --pause_;
      return {};
    }
  }
  return lookup_.guess(std::min(length_, most));
}

void Speculation::record(int64_t drafted, int64_t right, double milliseconds) {
  if (drafted == 0) {
    follow(plain_ms_, milliseconds);
    return;
  }
  follow(drafted_ms_, milliseconds);
  follow(drafted_tokens_, static_cast<double>(1 + right));
  length_ =
      right == drafted ? std::min(2 * length_ + 1, kMaxLength) : std::max(right + 1, kFirstLength);
  if (pays()) {
    pause_ = 0;
    next_pause_ = kFirstPause;
  } else {
    pause_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, kMaxPause);
  }
}

}  // namespace vila::engine
