// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/sentencepiece_merger.h"

namespace vila::text {

/// Encodes text word by word and remembers what words became: several times faster than the
/// SentencePiece library, which goes through the whole text with a queue of pairs.
///
/// A word begins at a run of blanks (' ' or U+2581) and ends before the next. Words are independent
/// where splits_into_words() says so. Thread-safe: a thread that finds the memory taken does
/// without it.
class SentencePieceWords {
 public:
  /// Appends the ids of one word.
  using EncodeWord = std::function<void(std::string_view word, std::vector<int>& ids)>;

  /// Whether the ids of a text are those of its words, one after the other. True of BPE models
  /// without normalisation none of whose pieces holds a blank behind another character: then no
  /// merge, and nothing that the library does to a text, reaches over the beginning of a word.
  /// @param model   the bytes of tokenizer.model, maybe with more fields appended
  /// @param pieces  its vocabulary
  static bool splits_into_words(std::string_view model, const std::vector<std::string>& pieces);

  /// Whether the library puts a blank in front of a text (NormalizerSpec.add_dummy_prefix).
  static bool adds_prefix(std::string_view model);

  /// @param model  the bytes of tokenizer.model, kept: rules to join pieces by are made of it when
  ///               so many new words have come that they are worth it. Empty: never.
  explicit SentencePieceWords(std::string model = {}) : model_(std::move(model)) {}

  /// The ids of a text. @param encode  for words that are not remembered nor joined by rules
  std::vector<int> encode(std::string_view text, const EncodeWord& encode) const;

 private:
  struct Hash {
    using is_transparent = void;

    size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };

  using Memory = std::unordered_map<std::string, std::vector<int>, Hash, std::equal_to<>>;

  void encode_new(std::string_view word, const EncodeWord& encode, std::vector<int>& ids) const;

  mutable std::mutex mutex_;  // held by whoever uses what follows
  mutable std::string model_;
  mutable int64_t new_words_ = 0;
  mutable std::optional<SentencePieceMerger> merger_;
  mutable Memory memory_;
};

}  // namespace vila::text
