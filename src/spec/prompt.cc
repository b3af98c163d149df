// SPDX-License-Identifier: Apache-2.0
#include "spec/prompt.h"

#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "base/strings.h"

namespace vila::spec {
namespace {

using text::TokenId;

int64_t prompt_length(const text::Tokenizer& tokenizer, std::string_view prompt) {
  return std::ssize(tokenize_prompt(tokenizer, prompt));
}

void ignore(std::vector<TokenId>& labels, int64_t begin, int64_t end) {
  const int64_t size = std::ssize(labels);
  begin = std::clamp<int64_t>(begin, 0, size);
  end = std::clamp<int64_t>(end, begin, size);
  std::fill(labels.begin() + begin, labels.begin() + end, kIgnoreLabel);
}

[[noreturn]] void fail_places(std::string_view placeholder, int64_t places, int64_t media) {
  const char* what = placeholder == kImagePlaceholder ? "picture" : "video";
  fail(ErrorCode::invalid_argument,
       "prompt: expected one {} for each {}, found {} {} and {} {}(s); write as many, or none to "
       "put them in front",
       placeholder, what, places, placeholder, media, what);
}

/// Whether media of a kind go in front of the prompt, which has no place for them.
bool is_put_in_front(std::string_view placeholder, int64_t places, int64_t media) {
  if (places != 0 && places != media) fail_places(placeholder, places, media);
  return places == 0 && media > 0;
}

/// Masks all but the answers of a rendered conversation.
class RoundMasker {
 public:
  RoundMasker(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template)
      : tokenizer_(tokenizer),
        answer_mark_(fmt::format("{}{}: ", chat_template.separator, chat_template.assistant)),
        round_end_(chat_template.separator2) {}

  /// Lengths come from tokenising each round alone, as the reference does; where they do not add up
  /// to the whole, the sample carries no loss. Rounds after the first are tokenised behind the mark
  /// that ends the round before: the reference subtracts one id instead, which is the same for
  /// Llama-2 ("USER" is one id there, with a prefix blank two) and wrong for other vocabularies.
  void mask(std::string_view prompt, LabelledIds& sample) const {
    std::vector<TokenId>& labels = sample.labels;
    int64_t length = 1;  // BOS
    ignore(labels, 0, length);
    std::string before;
    for (const std::string_view round : split(prompt, round_end_)) {
      const std::vector<std::string_view> parts = split(round, answer_mark_);
      if (round.empty() || parts.size() != 2) break;
      const std::string question = fmt::format("{}{}{}", before, parts[0], answer_mark_);
      const int64_t marks = before.empty() ? 1 : 2;  // BOS and the mark before
      // The blank that ends the question alone belongs to the answer's first word.
      ignore(labels, length, length + prompt_length(tokenizer_, question) - marks - 1);
      const std::string whole = fmt::format("{}{}", before, round);
      length += prompt_length(tokenizer_, whole) - marks + 1;
      before = round_end_;
    }
    ignore(labels, length, std::ssize(labels));
    const int64_t counted =
        std::ssize(sample.ids) - std::ranges::count(sample.ids, tokenizer_.pad_id());
    if (length != counted) ignore(labels, 0, std::ssize(labels));
  }

 private:
  const text::Tokenizer& tokenizer_;
  std::string answer_mark_;
  std::string round_end_;
};

}  // namespace

int64_t count_images(std::string_view text) {
  return std::ssize(split(text, kImagePlaceholder)) - 1;
}

std::vector<TokenId> media_end_ids(const VilaConfig& config, const text::Tokenizer& tokenizer) {
  if (config.generation != Generation::nvila) return {};
  return tokenizer.encode("\n", {.add_bos = false});
}

const char* chat_template_name(const VilaConfig& config, const text::Tokenizer& tokenizer,
                               std::string_view jinja) {
  const bool is_old = config.has_vision() && config.generation == Generation::vila_2024_02;
  if (config.generation == Generation::vila_1_5) {
    if (tokenizer.token_id("<|start_header_id|>") >= 0) return "llama_3";
    return tokenizer.token_id("<|im_start|>") >= 0 ? "hermes-2" : "vicuna_v1";
  }
  return is_old || jinja.empty() ? "vicuna_v1" : text::recognise_chat_template(jinja).name;
}

std::vector<TokenId> mark_media(const text::Tokenizer& tokenizer, std::span<const TokenId> ids) {
  const TokenId image = tokenizer.token_id(kImagePlaceholder);
  const TokenId video = tokenizer.token_id(kVideoPlaceholder);
  std::vector<TokenId> marked(ids.begin(), ids.end());
  for (TokenId& id : marked) {
    if (id >= 0 && id == image) id = kImageToken;
    if (id >= 0 && id == video) id = kVideoToken;
  }
  return marked;
}

std::string repeat_tiles(std::string_view prompt, std::span<const int64_t> tiles) {
  const std::vector<std::string_view> parts = split(prompt, kImagePlaceholder);
  if (parts.size() != tiles.size() + 1) {
    fail_places(kImagePlaceholder, std::ssize(parts) - 1, std::ssize(tiles));
  }
  std::string result(parts[0]);
  for (size_t i = 0; i < tiles.size(); ++i) {
    const bool is_single = tiles[i] == 1;
    for (int64_t n = 0; n < tiles[i]; ++n)
      result.append(kImagePlaceholder).append(is_single ? "" : "\n");
    result += parts[i + 1];
  }
  return result;
}

std::vector<TokenId> tokenize_prompt(const text::Tokenizer& tokenizer, std::string_view prompt) {
  if (tokenizer.token_id(kImagePlaceholder) >= 0) {
    return mark_media(tokenizer, tokenizer.encode(prompt));
  }
  std::vector<TokenId> ids;
  std::ptrdiff_t dropped = 0;
  bool is_first = true;
  for (const std::string_view chunk : split(prompt, kImagePlaceholder)) {
    const std::vector<TokenId> chunk_ids = tokenizer.encode(chunk);
    if (is_first && !chunk_ids.empty() && chunk_ids[0] == tokenizer.bos_id()) {
      dropped = 1;
      ids.push_back(chunk_ids[0]);
    }
    if (!is_first) ids.push_back(kImageToken);
    ids.insert(ids.end(), chunk_ids.begin() + std::min(dropped, std::ssize(chunk_ids)),
               chunk_ids.end());
    is_first = false;
  }
  return ids;
}

MediaCount count_media(std::string_view text) {
  return {count_images(text), std::ssize(split(text, kVideoPlaceholder)) - 1};
}

PromptRule prompt_rule(const VilaConfig& config) {
  if (config.generation != Generation::nvila) return {};
  return {.image_end = "", .trims = true, .has_video_token = !config.video_pools.empty()};
}

std::string place_media(std::string_view prompt, MediaCount media, const PromptRule& rule) {
  const MediaCount places = count_media(prompt);
  std::string result;
  if (is_put_in_front(kImagePlaceholder, places.images, media.images)) {
    for (int64_t i = 0; i < media.images; ++i)
      result.append(kImagePlaceholder).append(rule.image_end);
  }
  if (is_put_in_front(kVideoPlaceholder, places.videos, media.videos)) {
    for (int64_t i = 0; i < media.videos; ++i)
      result += kVideoPlaceholder;
  }
  result += prompt;
  return rule.trims ? std::string(strip(result)) : result;
}

std::string spread_videos(std::string_view prompt, std::span<const int64_t> frames,
                          const PromptRule& rule) {
  const std::vector<std::string_view> parts = split(prompt, kVideoPlaceholder);
  if (parts.size() != frames.size() + 1) {
    fail_places(kVideoPlaceholder, std::ssize(parts) - 1, std::ssize(frames));
  }
  std::string result(parts[0]);
  for (size_t i = 0; i < frames.size(); ++i) {
    for (int64_t n = 0; n < frames[i]; ++n)
      result.append(kImagePlaceholder).append(rule.image_end);
    result += parts[i + 1];
  }
  return result;
}

std::string document_text(std::span<const std::string> sentences,
                          std::span<const int64_t> image_sentences) {
  std::vector<std::string> parts(sentences.begin(), sentences.end());
  for (std::string& part : parts)
    part = replace_all(part, kImagePlaceholder, "<IMAGE>");
  for (const int64_t index : image_sentences) {
    if (index < 0 || index >= std::ssize(parts)) {
      fail(ErrorCode::invalid_data, "picture: expected the number of a sentence, 0 to {}, found {}",
           std::ssize(parts) - 1, index);
    }
    std::string& part = parts[static_cast<size_t>(index)];
    part.insert(0, kImagePlaceholder);
  }
  const std::string text = fmt::format("{}", fmt::join(parts, " "));
  return replace_all(replace_all(text, "<image> ", "<image>"), " <image>", "<image>");
}

LabelledIds label_plain(const text::Tokenizer& tokenizer, std::string_view caption) {
  const std::string picture(kImagePlaceholder);
  LabelledIds sample;
  sample.ids = tokenize_prompt(tokenizer, fmt::format("{}{}\n", picture, caption));
  sample.labels = sample.ids;
  ignore(sample.labels, 0, prompt_length(tokenizer, picture));
  return sample;
}

LabelledIds label_document(const text::Tokenizer& tokenizer, std::string_view text) {
  LabelledIds sample;
  sample.ids = tokenize_prompt(tokenizer, text);
  sample.ids.push_back(tokenizer.eos_id());
  sample.labels = sample.ids;
  std::ranges::replace(sample.labels, kImageToken, kIgnoreLabel);
  std::ranges::replace(sample.labels, tokenizer.pad_id(), kIgnoreLabel);
  return sample;
}

LabelledIds label_conversation(const text::Tokenizer& tokenizer,
                               const text::ChatTemplate& chat_template,
                               std::span<const text::Message> messages, const std::string* system) {
  if (chat_template.style != text::ChatTemplate::Style::two) {
    fail(ErrorCode::invalid_argument,
         "template {}: expected one of the v1 family for training (vicuna_v1, vicuna_v1_nosys, "
         "llava_v1, v1_mmtag)",
         chat_template.name);
  }
  if (!messages.empty() && messages[0].role == "assistant") messages = messages.subspan(1);
  const std::optional<std::string> used = system ? std::optional(*system) : std::nullopt;
  const std::string prompt = text::render_chat(chat_template, messages, used, false).text;
  LabelledIds sample;
  sample.ids = tokenize_prompt(tokenizer, prompt);
  sample.labels = sample.ids;
  RoundMasker(tokenizer, chat_template).mask(prompt, sample);
  std::ranges::replace(sample.labels, kImageToken, kIgnoreLabel);
  return sample;
}

}  // namespace vila::spec
