// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace vila::text {

/// A token beside the vocabulary's plain pieces: found in text before anything else.
struct AddedToken {
  std::string content;
  TokenId id = -1;  // -1: looked up in the vocabulary
  bool is_special = true;
};

/// A stretch of text, or an added token that stands there (then `token` is not null).
struct TextPart {
  std::string_view text;
  const AddedToken* token = nullptr;
};

/// The added tokens of a tokenizer. Immutable; results point into it.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// Of tokens with equal content the first counts. @pre every id >= 0.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  const AddedToken* find(TokenId id) const;
  const AddedToken* find(std::string_view content) const;

  /// Cuts `text` at the added tokens: the leftmost first, of several there the longest. No empty
  /// parts. Source: Trie.split of transformers.
  std::vector<TextPart> split(std::string_view text) const;

  /// One more than the largest id; 0 without tokens.
  int64_t end_id() const;

 private:
  const AddedToken* match(std::string_view text) const;

  std::map<TokenId, AddedToken> by_id_;
  std::map<std::string, TokenId, std::less<>> by_content_;
  std::array<std::vector<TokenId>, 256> by_first_byte_;  // each longest first
};

}  // namespace vila::text
