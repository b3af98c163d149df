// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace vila::text {

/// Turns a stream of ids into text pieces that never cut a character: the concatenation of what
/// push() and finish() return equals decode() of all ids, malformed bytes as U+FFFD. Constant work
/// per id. One thread.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// Text that is certain now (maybe empty) after one more id.
  std::string push(TokenId id);
  /// What was still held back; malformed bytes as U+FFFD. Ready for a new text afterwards.
  std::string finish();

 private:
  void shorten_window();

  const Tokenizer& tokenizer_;
  std::vector<TokenId> window_;  // the last ids, enough to decode the next one as in its place
  size_t window_bytes_ = 0;      // bytes of decode(window_)
  std::string held_;             // decoded and not yet returned
};

}  // namespace vila::text
