// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace vila::engine {
namespace {

void require(bool is_valid, const char* option, const char* range, double found) {
  if (is_valid) return;
  fail(ErrorCode::invalid_argument, "{}: expected {}, found {}", option, range, found);
}

// Index of the largest score, the lowest on a tie.
text::TokenId argmax(std::span<const float> scores) {
  const auto best = std::max_element(scores.begin(), scores.end());
  return static_cast<text::TokenId>(best - scores.begin());
}

void require_finite(std::span<const float> logits) {
  for (const float value : logits) {
    if (!std::isfinite(value)) {
      fail(ErrorCode::failed, "the model's logits are not finite: its weights may be damaged");
    }
  }
}

// How many of the best have to stay so that their probabilities reach the share `top_p`.
size_t nucleus(std::span<const double> weights, double top_p) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double better = 0;
  size_t count = 0;
  while (count < weights.size() && (count == 0 || better < top_p * total))
    better += weights[count++];
  return count;
}

}  // namespace

void validate(const GenerateOptions& options) {
  require(options.temperature >= 0 && std::isfinite(options.temperature), "temperature",
          "a number >= 0", options.temperature);
  require(options.top_k >= 0, "top_k", "0 (off) or more", static_cast<double>(options.top_k));
  require(options.top_p > 0 && options.top_p <= 1, "top_p", "more than 0, at most 1",
          options.top_p);
  require(options.min_p >= 0 && options.min_p <= 1, "min_p", "0 to 1", options.min_p);
  require(options.repeat_penalty > 0 && std::isfinite(options.repeat_penalty), "repeat_penalty",
          "a number > 0", options.repeat_penalty);
  require(options.max_tokens >= 0, "max_tokens", "0 or more",
          static_cast<double>(options.max_tokens));
  for (const std::string& stop : options.stop) {
    if (stop.empty()) fail(ErrorCode::invalid_argument, "stop: expected text, found an empty one");
  }
}

std::vector<text::TokenId> best_ids(std::span<const float> logits, int64_t count) {
  std::vector<text::TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto middle = ids.begin() + std::min(count, static_cast<int64_t>(ids.size()));
  std::partial_sort(ids.begin(), middle, ids.end(), [&](text::TokenId a, text::TokenId b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  ids.erase(middle, ids.end());
  return ids;
}

double log_sum_exp(std::span<const float> logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float value : logits)
    sum += std::exp(static_cast<double>(value) - highest);
  return highest + std::log(sum);
}

TokenLogprob token_logprob(std::span<const float> logits, text::TokenId id, int64_t top) {
  const double normaliser = log_sum_exp(logits);
  const auto logprob = [&](text::TokenId token) {
    return static_cast<double>(logits[static_cast<size_t>(token)]) - normaliser;
  };
  TokenLogprob result{.id = id, .logprob = logprob(id), .top = {}};
  for (const text::TokenId token : best_ids(logits, top)) {
    result.top.emplace_back(token, logprob(token));
  }
  return result;
}

Sampler::Sampler(const GenerateOptions& options, int64_t vocab_size)
    : temperature_(options.temperature),
      top_k_(options.top_k == 0 ? vocab_size : options.top_k),
      top_p_(options.top_p),
      min_p_(options.min_p),
      repeat_penalty_(options.repeat_penalty),
      random_(options.seed),
      is_seen_(static_cast<size_t>(vocab_size)) {}

void Sampler::accept(text::TokenId id) {
  if (id >= 0 && static_cast<size_t>(id) < is_seen_.size())
    is_seen_[static_cast<size_t>(id)] = true;
}

text::TokenId Sampler::sample(std::span<const float> logits) {
  require_finite(logits);
  scores_.assign(logits.begin(), logits.end());
  if (repeat_penalty_ != 1) apply_repeat_penalty(scores_);
  return temperature_ == 0 ? argmax(scores_) : draw(scores_);
}

// Tokens seen lose: l / r where l > 0, l r where l < 0   (16)
void Sampler::apply_repeat_penalty(std::span<float> scores) const {
  const auto penalty = static_cast<float>(repeat_penalty_);
  for (size_t id = 0; id < std::min(scores.size(), is_seen_.size()); ++id) {
    if (is_seen_[id]) scores[id] = scores[id] > 0 ? scores[id] / penalty : scores[id] * penalty;
  }
}

text::TokenId Sampler::draw(std::span<const float> scores) {
  const std::vector<text::TokenId> ids = best_ids(scores, top_k_);
  const double highest = scores[static_cast<size_t>(ids.front())];
  std::vector<double> weights;  // of the candidates, best first; the best has 1   (17)
  for (const text::TokenId id : ids) {
    const double score = scores[static_cast<size_t>(id)];
    weights.push_back(std::exp((score - highest) / temperature_));
  }
  weights.resize(nucleus(weights, top_p_));  // (18)
  while (weights.size() > 1 && weights.back() < min_p_)
    weights.pop_back();  // (19)

  double rest = random_.uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
  size_t choice = 0;
  while (choice + 1 < weights.size() && rest >= weights[choice])
    rest -= weights[choice++];
  return ids[choice];
}

}  // namespace vila::engine
