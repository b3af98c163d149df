// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace vila::text {

/// Byte-pair encoding of words (Sennrich et al., "Neural Machine Translation of Rare Words with
/// Subword Units", 2016): neighbours are joined, of all pairs that the table knows the earliest
/// first, the leftmost on a tie. Immutable, thread-safe.
class BpeMerger {
 public:
  /// Two ids that join to a third.
  struct Merge {
    TokenId left;
    TokenId right;
    TokenId joined;
  };

  /// @param bytes  id of each of the 256 bytes, -1: none (the byte is left out).
  /// @param merges  in the order of their rank.
  BpeMerger(std::vector<TokenId> bytes, std::span<const Merge> merges);

  /// Appends the ids of a word. O(n log n) for n bytes.
  void encode(std::string_view word, std::vector<TokenId>& ids) const;

 private:
  struct Rule {
    int32_t rank;
    TokenId joined;
  };

  struct Symbol {
    TokenId id;
    int32_t previous;
    int32_t next;
  };

  struct Candidate {
    int32_t rank;
    int32_t left;  // index of the symbol
    TokenId left_id;
    TokenId right_id;

    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  const Rule* find(TokenId left, TokenId right) const;

  std::vector<TokenId> bytes_;
  std::unordered_map<uint64_t, Rule> rules_;
};

}  // namespace vila::text
