// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_model.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/strings.h"
#include "cli/media_loader.h"
#include "spec/prompt.h"

namespace vila::cli {
namespace {

constexpr size_t kRecentVideos = 8;  // questions about one video follow one another

// An engine with what turns prompts into its requests.
class Asker {
 public:
  Asker(engine::Engine& engine, const text::ChatTemplate& chat_template)
      : engine_(engine), chat_template_(chat_template), media_(engine.config()) {}

  engine::Engine& engine() { return engine_; }

  /// @throws Error with the prompt's row in front
  engine::Request request_of(const eval::Prompt& prompt) {
    return with_context(prompt.row, [&] { return make_request(prompt); });
  }

  void generate(std::span<const eval::Prompt> prompts, const eval::OnReply& on_reply) {
    std::vector<engine::Request> requests;
    for (const eval::Prompt& prompt : prompts)
      requests.push_back(request_of(prompt));
    engine_.generate_batch(requests, [&](size_t i, const engine::Engine::BatchResult& done) {
      on_reply(i, {.text = done.result ? done.result->text : "", .error = done.error});
    });
  }

 private:
  engine::Request make_request(const eval::Prompt& prompt) {
    engine::Request request;
    request.images = prompt.pictures;
    for (const eval::PromptVideo& video : prompt.videos)
      request.videos.push_back(load(video));
    request.options.temperature = 0;
    request.options.max_tokens = prompt.max_tokens;
    request.options.stop = prompt.stop;
    request.prompt = prompt.text;
    if (prompt.is_raw) return request;
    const std::vector<text::Message> messages = {{"user", placed(prompt)}};
    text::RenderedPrompt rendered = text::render_chat(chat_template_, messages, std::nullopt, true);
    request.prompt = std::move(rendered.text);
    for (std::string& stop : rendered.stop) {
      if (!stop.empty()) request.options.stop.push_back(std::move(stop));
    }
    return request;
  }

  // The text with what stands in front of it.
  std::string placed(const eval::Prompt& prompt) const {
    const spec::PromptRule& rule = media_.prompt_rule();
    const std::string text =
        spec::place_media("", {prompt.pictures_in_front, std::ssize(prompt.videos)}, rule) +
        prompt.text;
    return rule.trims ? std::string(strip(text)) : text;
  }

  std::shared_ptr<const engine::Video> load(const eval::PromptVideo& video) {
    recent_.push_back(media_.video(video.file, video.frames, video.part));
    if (recent_.size() > kRecentVideos) recent_.pop_front();
    return recent_.back();
  }

  engine::Engine& engine_;
  const text::ChatTemplate& chat_template_;
  MediaLoader media_;
  std::deque<std::shared_ptr<const engine::Video>> recent_;  // so that the loader knows them still
};

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

std::vector<double> log_likelihoods(Asker& asker, const eval::Prompt& prompt,
                                    std::span<const std::string> continuations) {
  engine::Engine& engine = asker.engine();
  engine::Request request = asker.request_of(prompt);
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
  const auto asker = std::make_shared<Asker>(engine, chat_template);
  return {
      .generate = [asker](std::span<const eval::Prompt> prompts,
                          const eval::OnReply& on_reply) { asker->generate(prompts, on_reply); },
      .log_likelihoods =
          [asker](const eval::Prompt& prompt, std::span<const std::string> continuations) {
            return log_likelihoods(*asker, prompt, continuations);
          },
      .losses = [&engine](const std::string& text) { return losses(engine, text); }};
}

}  // namespace vila::cli
