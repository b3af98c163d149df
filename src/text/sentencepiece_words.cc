// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_words.h"

#include <algorithm>

#include "text/protobuf_fields.h"

namespace vila::text {
namespace {

constexpr std::string_view kBlank = "\xE2\x96\x81";
constexpr size_t kMaxRemembered = 65536;  // words
// A prompt has fewer new words; a document soon has more than the rules cost.
constexpr int64_t kWordsWorthRules = 4096;
constexpr size_t kMaxWord = 64;  // bytes of one that is remembered

/// Bytes of the blank at the beginning of a text; 0: none is there.
size_t blank_at(std::string_view text) {
  if (text.starts_with(' ')) return 1;
  return text.starts_with(kBlank) ? kBlank.size() : 0;
}

/// Where the first word of a text ends: before the first blank that follows something else.
size_t end_of_word(std::string_view text) {
  size_t at = 0;
  while (const size_t blank = blank_at(text.substr(at)))
    at += blank;
  while (at < text.size() && blank_at(text.substr(at)) == 0)
    ++at;
  return at;
}

/// What of sentencepiece_model.proto decides whether words are independent.
struct Settings {
  bool is_bpe = false;               // TrainerSpec.model_type
  bool has_rules = false;            // NormalizerSpec.precompiled_charsmap
  bool removes_extra_blanks = true;  // its default, as that of the following
  bool adds_dummy_prefix = true;
  bool escapes_blanks = true;
};

Settings read_settings(std::string_view model) {
  constexpr uint64_t kBpe = 2;
  Settings settings;
  for (ProtobufFields part(model); part.next();) {
    if (part.number != 2 && part.number != 3) continue;
    for (ProtobufFields field(part.bytes); field.next();) {
      if (part.number == 2 && field.number == 3) settings.is_bpe = field.value == kBpe;
      if (part.number != 3) continue;
      if (field.number == 2) settings.has_rules = !field.bytes.empty();
      if (field.number == 3) settings.adds_dummy_prefix = field.value != 0;
      if (field.number == 4) settings.removes_extra_blanks = field.value != 0;
      if (field.number == 5) settings.escapes_blanks = field.value != 0;
    }
  }
  return settings;
}

}  // namespace

bool SentencePieceWords::splits_into_words(std::string_view model,
                                           const std::vector<std::string>& pieces) {
  const Settings settings = read_settings(model);
  if (!settings.is_bpe || settings.has_rules || settings.removes_extra_blanks ||
      settings.adds_dummy_prefix || !settings.escapes_blanks)
    return false;
  // Without a piece for the blank itself a run of unknown characters could go on over it.
  if (std::ranges::find(pieces, kBlank) == pieces.end()) return false;
  return std::ranges::all_of(
      pieces, [](const std::string& piece) { return end_of_word(piece) == piece.size(); });
}

bool SentencePieceWords::adds_prefix(std::string_view model) {
  return read_settings(model).adds_dummy_prefix;
}

// @pre the lock is held
void SentencePieceWords::encode_new(std::string_view word, const EncodeWord& encode_word,
                                    std::vector<int>& ids) const {
  if (!model_.empty() && ++new_words_ > kWordsWorthRules)
    merger_ = SentencePieceMerger::read(std::exchange(model_, {}));
  if (!merger_ || !merger_->encode(word, ids)) encode_word(word, ids);
}

std::vector<int> SentencePieceWords::encode(std::string_view text,
                                            const EncodeWord& encode_word) const {
  const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  std::vector<int> ids;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, end_of_word(text));
    text.remove_prefix(word.size());
    if (!lock.owns_lock()) {
      encode_word(word, ids);
      continue;
    }
    if (word.size() > kMaxWord) {
      encode_new(word, encode_word, ids);
      continue;
    }
    auto known = memory_.find(word);
    if (known == memory_.end()) {
      if (memory_.size() >= kMaxRemembered) memory_.clear();
      known = memory_.emplace(word, std::vector<int>()).first;
      encode_new(word, encode_word, known->second);
    }
    ids.insert(ids.end(), known->second.begin(), known->second.end());
  }
  return ids;
}

}  // namespace vila::text
