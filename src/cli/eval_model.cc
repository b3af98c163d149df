// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_model.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace vila::cli {
namespace {

engine::Request request_of(const eval::Prompt& prompt, const text::ChatTemplate& chat_template) {
  engine::Request request;
  request.images = prompt.pictures;
  request.options.temperature = 0;
  request.options.max_tokens = prompt.max_tokens;
  request.options.stop = prompt.stop;
  request.prompt = prompt.text;
  if (prompt.is_raw) return request;
  const std::vector<text::Message> messages = {{"user", prompt.text}};
  text::RenderedPrompt rendered = text::render_chat(chat_template, messages, std::nullopt, true);
  request.prompt = std::move(rendered.text);
  for (std::string& stop : rendered.stop) {
    if (!stop.empty()) request.options.stop.push_back(std::move(stop));
  }
  return request;
}

void generate(engine::Engine& engine, const text::ChatTemplate& chat_template,
              std::span<const eval::Prompt> prompts, const eval::OnReply& on_reply) {
  std::vector<engine::Request> requests;
  for (const eval::Prompt& prompt : prompts)
    requests.push_back(request_of(prompt, chat_template));
  const std::vector<engine::Engine::BatchResult> results = engine.generate_batch(requests);
  for (size_t i = 0; i < results.size(); ++i)
    on_reply(i,
             {.text = results[i].result ? results[i].result->text : "", .error = results[i].error});
}

// The first token that `continuation` adds to a text: what follows the tokens that the text has
// with and without it.
text::TokenId first_token(const text::Tokenizer& tokenizer, const std::string& text,
                          const std::string& continuation) {
  const std::vector<text::TokenId> alone = tokenizer.encode(text);
  const std::vector<text::TokenId> longer = tokenizer.encode(text + continuation);
  const auto [end, next] = std::mismatch(alone.begin(), alone.end(), longer.begin(), longer.end());
  if (end != alone.end() || next == longer.end()) {
    fail(ErrorCode::failed,
         "expected \"{}\" to add tokens behind the prompt, found that it changes those before it",
         continuation);
  }
  return *next;
}

std::vector<double> log_likelihoods(engine::Engine& engine, const text::ChatTemplate& chat_template,
                                    const eval::Prompt& prompt,
                                    std::span<const std::string> continuations) {
  engine::Request request = request_of(prompt, chat_template);
  request.options.max_tokens = 1;
  request.options.logprobs = engine.config().llm.vocab_size;  // of every token
  request.options.ignore_eos = true;
  request.options.stop.clear();
  const engine::Result result = engine.generate(request);
  std::map<text::TokenId, double> by_id;
  for (const auto& [id, logprob] : result.logprobs.at(0).top)
    by_id[id] = logprob;
  constexpr std::string_view kImage = "<image>";
  const size_t image = request.prompt.rfind(kImage);
  const std::string text =
      image == std::string::npos ? request.prompt : request.prompt.substr(image + kImage.size());
  std::vector<double> found;
  for (const std::string& continuation : continuations)
    found.push_back(by_id.at(first_token(engine.tokenizer(), text, continuation)));
  return found;
}

// Windows of the model's context that share nothing, as `vila perplexity` reads a text.
std::vector<double> losses(engine::Engine& engine, const std::string& text) {
  const std::vector<text::TokenId> ids = engine.tokenizer().encode(text);
  const auto size = static_cast<size_t>(engine.config().model_max_length);
  std::vector<double> all;
  for (size_t begin = 0; begin + 1 < ids.size(); begin += size) {
    const auto window = std::span(ids).subspan(begin, std::min(size, ids.size() - begin));
    if (window.size() < 2) break;
    const std::vector<double> found = engine.token_losses(window);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

}  // namespace

eval::Model eval_model(engine::Engine& engine, const text::ChatTemplate& chat_template) {
  return {.generate =
              [&](std::span<const eval::Prompt> prompts, const eval::OnReply& on_reply) {
                generate(engine, chat_template, prompts, on_reply);
              },
          .log_likelihoods =
              [&](const eval::Prompt& prompt, std::span<const std::string> continuations) {
                return log_likelihoods(engine, chat_template, prompt, continuations);
              },
          .losses = [&](const std::string& text) { return losses(engine, text); }};
}

}  // namespace vila::cli
