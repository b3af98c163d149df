// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include <utility>

#include "base/utf8.h"

namespace vila::text {
namespace {

// The window is cut to kContext ids when it holds kWindow: constant work per id.
constexpr size_t kWindow = 32;
constexpr size_t kContext = 8;

/// U+FFFD for every byte that is part of no character, as SentencePiece decodes byte pieces.
std::string replace_bad_bytes(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    size_t length = 1;
    while (length < 4 && length < bytes.size() && !is_valid_utf8(bytes.substr(0, length)))
      ++length;
    if (is_valid_utf8(bytes.substr(0, length))) {
      text += bytes.substr(0, length);
    } else {
      length = 1;
      append_utf8(text, U'\uFFFD');
    }
    bytes.remove_prefix(length);
  }
  return text;
}

}  // namespace

std::string Detokenizer::push(TokenId id) {
  if (tokenizer_.is_special(id) || tokenizer_.piece(id).empty()) return {};
  window_.push_back(id);
  const std::string text = tokenizer_.decode(window_);
  held_.append(text, window_bytes_);
  window_bytes_ = text.size();
  if (window_.size() >= kWindow) shorten_window();
  const size_t complete = complete_utf8_prefix(held_);
  std::string certain = replace_bad_bytes(std::string_view(held_).substr(0, complete));
  held_.erase(0, complete);
  return certain;
}

std::string Detokenizer::finish() {
  std::string rest = replace_bad_bytes(held_);
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
