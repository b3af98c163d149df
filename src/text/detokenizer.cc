// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include <utility>

#include "base/utf8.h"

namespace vila::text {
namespace {

// The window is cut to kContext ids when it holds kWindow: constant work per id.
constexpr size_t kWindow = 32;
constexpr size_t kContext = 8;

}  // namespace

std::string Detokenizer::push(TokenId id) {
  if (tokenizer_.is_special(id) || tokenizer_.piece(id).empty()) return {};
  window_.push_back(id);
  const std::string text = tokenizer_.decode(window_);
  held_.append(text, window_bytes_);
  window_bytes_ = text.size();
  if (window_.size() >= kWindow) shorten_window();
  const size_t complete = complete_utf8_prefix(held_);
  std::string certain = tokenizer_.replace_malformed(std::string_view(held_).substr(0, complete));
  held_.erase(0, complete);
  return certain;
}

std::string Detokenizer::finish() {
  std::string rest = tokenizer_.replace_malformed(held_);
  held_.clear();
  window_.clear();
  window_bytes_ = 0;
  return rest;
}

/// Later ids decode alike after any text that is not empty: only the first of it depends on what
/// stands before.
void Detokenizer::shorten_window() {
  std::vector<TokenId> context(window_.end() - kContext, window_.end());
  const std::string text = tokenizer_.decode(context);
  if (text.empty()) return;
  window_ = std::move(context);
  window_bytes_ = text.size();
}

}  // namespace vila::text
