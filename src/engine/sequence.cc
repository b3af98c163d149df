// SPDX-License-Identifier: Apache-2.0
#include "engine/sequence.h"

#include <algorithm>
#include <utility>

#include "base/stopwatch.h"

namespace vila::engine {
namespace {

// Special tokens never show in the text, so a stop string such as "<|eot_id|>" is met by its id.
std::vector<text::TokenId> end_ids(const Sequence::Start& start) {
  std::vector<text::TokenId> ids = {static_cast<text::TokenId>(start.config.llm.eos_token_id),
                                    start.tokenizer.eos_id()};
  for (const std::string& stop : start.options.stop) {
    const text::TokenId id = start.tokenizer.token_id(stop);
    if (start.tokenizer.is_special(id)) ids.push_back(id);
  }
  return ids;
}

}  // namespace

// The sum cannot overflow: rows are at most the context.
int64_t Sequence::rows_needed(const spec::VilaConfig& config, const GenerateOptions& options,
                              int64_t prompt_rows) {
  return prompt_rows + std::min(options.max_tokens, config.model_max_length - prompt_rows);
}

Sequence::Sequence(Start start, OnText on_text)
    : tokenizer_(start.tokenizer),
      end_ids_(end_ids(start)),
      max_tokens_(start.options.max_tokens),
      ignores_eos_(start.options.ignore_eos),
      logprobs_(start.options.logprobs),
      on_text_(std::move(on_text)),
      cache_(std::move(start.cache)),
      rows_(std::move(start.rows)),
      speculation_(start.options.speculate, start.ids),
      sampler_(start.options, start.config.llm.vocab_size),
      stop_(start.options.stop),
      detokenizer_(start.tokenizer) {
  for (const text::TokenId id : start.ids)
    sampler_.accept(id);
  result_.usage.prompt_tokens = rows_.size();
  result_.usage.cached_tokens = cache_.length();
  if (max_tokens_ == 0) finish("length");
}

void Sequence::accept(std::span<const float> logits) {
  const Stopwatch watch;
  choose(logits);
  result_.timings.decode += watch.milliseconds();
}

void Sequence::choose(std::span<const float> logits) {
  const text::TokenId id = sampler_.sample(logits);
  if (!ignores_eos_ && ends(id)) {
    finish("stop");
    return;
  }
  sampler_.accept(id);
  result_.token_ids.push_back(id);
  rows_.add(id);
  speculation_.accept(id);
  if (logprobs_ >= 0) result_.logprobs.push_back(token_logprob(logits, id, logprobs_));
  const bool goes_on = emit(stop_.push(detokenizer_.push(id)));
  const auto count = static_cast<int64_t>(result_.token_ids.size());
  if (stop_.is_stopped() || !goes_on) {
    finish("stop");
  } else if (count >= max_tokens_ || cache_.length() >= cache_.capacity()) {
    finish("length");
  }
}

std::vector<text::TokenId> Sequence::draft() {
  const int64_t tokens = max_tokens_ - static_cast<int64_t>(result_.token_ids.size());
  const int64_t rows = cache_.capacity() - cache_.length();
  return speculation_.draft(std::min(tokens, rows) - 1);
}

void Sequence::record_step(int64_t drafted, int64_t right, double milliseconds) {
  result_.timings.decode += milliseconds;
  result_.usage.drafted_tokens += drafted;
  result_.usage.accepted_tokens += right;
  speculation_.record(drafted, right, milliseconds);
}

bool Sequence::ends(text::TokenId id) const {
  return std::ranges::find(end_ids_, id) != end_ids_.end();
}

// Whether the reader wants more.
bool Sequence::emit(const std::string& text) {
  if (text.empty()) return true;
  result_.text += text;
  return !on_text_ || on_text_(text);
}

void Sequence::finish(const char* reason) {
  const std::string rest = stop_.push(detokenizer_.finish());
  emit(rest + stop_.finish());
  result_.usage.completion_tokens = static_cast<int64_t>(result_.token_ids.size());
  result_.finish_reason = reason;
}

}  // namespace vila::engine
