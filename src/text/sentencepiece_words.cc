// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_words.h"

#include <algorithm>
#include <optional>

namespace vila::text {
namespace {

constexpr std::string_view kBlank = "\xE2\x96\x81";
constexpr size_t kMaxRemembered = 65536;  // words
constexpr size_t kMaxWord = 64;           // bytes of one that is remembered

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

/// A message of protobuf as its fields come.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  /// Moves on to the next field. False at the end, and where the bytes are no message.
  bool next() {
    const auto key = varint();
    if (!key) return false;
    number = *key >> 3;
    value = 0;
    bytes = {};
    switch (*key & 7) {
      case 0:
        return take_number(varint());
      case 1:
        return take_bytes(8);
      case 2:
        return take_bytes(varint());
      case 5:
        return take_bytes(4);
      default:
        return false;
    }
  }

  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of anything else

 private:
  std::optional<uint64_t> varint() {
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      result |= uint64_t{byte & 127U} << shift;
      if (byte < 128) return result;
    }
    return std::nullopt;
  }

  bool take_number(std::optional<uint64_t> read) {
    value = read.value_or(0);
    return read.has_value();
  }

  bool take_bytes(std::optional<uint64_t> size) {
    if (!size || *size > rest_.size()) return false;
    bytes = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
    return true;
  }

  std::string_view rest_;
};

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
  for (Fields part(model); part.next();) {
    if (part.number != 2 && part.number != 3) continue;
    for (Fields field(part.bytes); field.next();) {
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

std::vector<int> SentencePieceWords::encode(std::string_view text,
                                            const EncodeWord& encode_word) const {
  const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  std::vector<int> ids;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, end_of_word(text));
    text.remove_prefix(word.size());
    if (!lock.owns_lock() || word.size() > kMaxWord) {
      encode_word(word, ids);
      continue;
    }
    auto known = memory_.find(word);
    if (known == memory_.end()) {
      if (memory_.size() >= kMaxRemembered) memory_.clear();
      known = memory_.emplace(word, std::vector<int>()).first;
      encode_word(word, known->second);
    }
    ids.insert(ids.end(), known->second.begin(), known->second.end());
  }
  return ids;
}

}  // namespace vila::text
