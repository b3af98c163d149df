// SPDX-License-Identifier: Apache-2.0
#include "cli/answer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace vila::cli {
namespace {

double per_second(int64_t tokens, double milliseconds) {
  return milliseconds > 0 ? static_cast<double>(tokens) / milliseconds * 1e3 : 0;
}

Json token_json(text::TokenId id, double logprob, const text::Tokenizer& tokenizer) {
  return {{"id", id}, {"token", tokenizer.piece(id)}, {"logprob", logprob}};
}

Json logprobs_json(const std::vector<engine::TokenLogprob>& logprobs,
                   const text::Tokenizer& tokenizer) {
  Json rows = Json::array();
  for (const engine::TokenLogprob& token : logprobs) {
    Json row = token_json(token.id, token.logprob, tokenizer);
    row["top_logprobs"] = Json::array();
    for (const auto& [id, logprob] : token.top) {
      row["top_logprobs"].push_back(token_json(id, logprob, tokenizer));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

engine::Request make_request(const Question& question, const text::ChatTemplate& chat_template) {
  engine::Request request{.prompt = question.raw,
                          .images = question.images,
                          .videos = question.videos,
                          .options = question.options};
  if (question.is_raw) return request;
  text::RenderedPrompt rendered = text::render_chat(chat_template, question.conversation.messages,
                                                    question.conversation.system, true);
  request.prompt = std::move(rendered.text);
  for (std::string& stop : rendered.stop) {
    if (!stop.empty()) request.options.stop.push_back(std::move(stop));
  }
  return request;
}

std::string timings_text(const engine::Result& result) {
  const engine::Timings& t = result.timings;
  const engine::Usage& usage = result.usage;
  std::string text = fmt::format(
      "pictures {:.0f} ms, prompt of {} tokens ({} known) {:.0f} ms, answer of {} tokens {:.0f} ms "
      "({:.0f} tokens/s)",
      t.media + t.vision, usage.prompt_tokens, usage.cached_tokens, t.prefill,
      usage.completion_tokens, t.decode, per_second(usage.completion_tokens, t.decode));
  if (usage.drafted_tokens > 0) {
    text +=
        fmt::format(", {} of {} guessed tokens right", usage.accepted_tokens, usage.drafted_tokens);
  }
  return text;
}

Json work_json(const engine::Usage& usage) {
  return {{"cached_tokens", usage.cached_tokens},
          {"drafted_tokens", usage.drafted_tokens},
          {"accepted_tokens", usage.accepted_tokens}};
}

Json result_json(const engine::Result& result, const text::Tokenizer& tokenizer) {
  Json json = {{"text", result.text},
               {"finish_reason", result.finish_reason},
               {"token_ids", result.token_ids},
               {"usage",
                {{"prompt_tokens", result.usage.prompt_tokens},
                 {"image_tokens", result.usage.image_tokens},
                 {"completion_tokens", result.usage.completion_tokens}}},
               {"timings_ms",
                {{"media", result.timings.media},
                 {"vision", result.timings.vision},
                 {"prefill", result.timings.prefill},
                 {"decode", result.timings.decode}}},
               {"prefill_tok_s", per_second(result.usage.prompt_tokens - result.usage.cached_tokens,
                                            result.timings.prefill)},
               {"decode_tok_s", per_second(result.usage.completion_tokens, result.timings.decode)}};
  if (!result.logprobs.empty()) json["logprobs"] = logprobs_json(result.logprobs, tokenizer);
  return json;
}

}  // namespace vila::cli
