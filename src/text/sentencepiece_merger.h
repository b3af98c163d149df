// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/bpe_merger.h"

namespace vila::text {

/// The words of a SentencePiece model of type BPE, cut as the library cuts them but for its price:
/// it looks every pair of pieces up by its spelling, this by a pair of ids.
///
/// SentencePiece joins of all neighbours those whose joined spelling is the piece of the highest
/// score, the leftmost on a tie, whatever two pieces it is made of. Immutable, thread-safe.
class SentencePieceMerger {
 public:
  /// @param model  the bytes of tokenizer.model, whose words have to be independent
  ///               (SentencePieceWords::splits_into_words()).
  /// Nothing where pairs of ids are not enough: user-defined or unused pieces, or a piece that
  /// holds a character which is none.
  static std::optional<SentencePieceMerger> read(std::string_view model);

  /// Appends the ids of a word; blanks may be ' ' or U+2581. A character that is no piece becomes
  /// the pieces of its bytes. False, and nothing appended, for what is left to the library: bytes
  /// that are no UTF-8, U+0000, and unknown characters where the model has no pieces for bytes.
  bool encode(std::string_view word, std::vector<TokenId>& ids) const;

 private:
  SentencePieceMerger(std::unordered_map<char32_t, TokenId> characters, std::vector<TokenId> bytes,
                      const std::vector<BpeMerger::Merge>& merges);

  std::unordered_map<char32_t, TokenId> characters_;
  std::vector<TokenId> bytes_;  // 256, or none: no byte fallback
  BpeMerger merger_;
};

}  // namespace vila::text
