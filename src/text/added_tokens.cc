// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include <algorithm>

#include "base/error.h"

namespace vila::text {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) {
  for (AddedToken& token : tokens) {
    VILA_CHECK(token.id >= 0, "added token {} has no id", token.content);
    if (token.content.empty() || by_content_.contains(token.content)) continue;
    by_content_.emplace(token.content, token.id);
    const TokenId id = token.id;
    const auto first = static_cast<unsigned char>(token.content.front());
    if (by_id_.emplace(id, std::move(token)).second) by_first_byte_[first].push_back(id);
  }
  for (std::vector<TokenId>& ids : by_first_byte_) {
    std::ranges::stable_sort(ids, std::greater<>(),
                             [this](TokenId id) { return by_id_.at(id).content.size(); });
  }
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? nullptr : find(found->second);
}

// The longest that begins `text`, which is not empty. Nearly every byte of a text begins none.
const AddedToken* AddedTokens::match(std::string_view text) const {
  for (const TokenId id : by_first_byte_[static_cast<unsigned char>(text.front())]) {
    const AddedToken& token = by_id_.at(id);
    if (text.starts_with(token.content)) return &token;
  }
  return nullptr;
}

std::vector<TextPart> AddedTokens::split(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = match(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    if (at > begin) parts.push_back({text.substr(begin, at - begin), nullptr});
    parts.push_back({text.substr(at, token->content.size()), token});
    at += token->content.size();
    begin = at;
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), nullptr});
  return parts;
}

int64_t AddedTokens::end_id() const {
  return by_id_.empty() ? 0 : int64_t{by_id_.rbegin()->first} + 1;
}

}  // namespace vila::text
