// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
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
    /// Lower ones are joined first, of equal ones the leftmost; -1: the place in the list.
    int32_t rank = -1;
  };

  /// @param bytes  id of each of the 256 bytes, -1: none (the byte is left out).
  /// @param merges  in the order of their rank, or each with its own.
  BpeMerger(std::vector<TokenId> bytes, std::span<const Merge> merges);

  /// Appends the ids of a word. O(n log n) for n bytes.
  void encode(std::string_view word, std::vector<TokenId>& ids) const;

  /// Appends what becomes of the symbols `word`. O(n log n).
  void join(std::span<const TokenId> word, std::vector<TokenId>& ids) const;

 private:
  struct Rule {
    uint64_t key;  // both ids; kNoKey: the place is free
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
  void insert(const Rule& rule);

  std::vector<TokenId> bytes_;
  /// Open addressing in a power of two of places, at most half of them taken: a pair is looked up
  /// for every neighbour of every new word, mostly in vain, and so costs one line of memory.
  std::vector<Rule> rules_;
  int shift_ = 0;  // 64 - log2(places)
};

}  // namespace vila::text
