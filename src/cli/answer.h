// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json.h"
#include "cli/conversation.h"
#include "engine/engine.h"

namespace vila::cli {

/// What a person asks, before the template is applied.
struct Question {
  Conversation conversation;  // media placed
  std::string raw;            // used as it stands when `is_raw`
  bool is_raw = false;
  std::vector<std::shared_ptr<const media::Image>> images;
  std::vector<std::shared_ptr<const engine::Video>> videos;
  engine::GenerateOptions options;
};

/// The engine's request: the template applied, its stop strings added.
/// @throws Error{invalid_argument} roles that do not alternate.
engine::Request make_request(const Question& question, const text::ChatTemplate& chat_template);

/// One line for a person: how long pictures, prompt and answer took, and for how many tokens.
std::string timings_text(const engine::Result& result);

/// What was not computed, and what was tried: {"cached_tokens", "drafted_tokens",
/// "accepted_tokens"}. Unlike the answer it may differ from run to run.
Json work_json(const engine::Usage& usage);

/// {"text", "finish_reason", "token_ids", "usage", "timings_ms" (without load), "prefill_tok_s" (of
/// the rows computed), "decode_tok_s", "logprobs"?}
Json result_json(const engine::Result& result, const text::Tokenizer& tokenizer);

}  // namespace vila::cli
