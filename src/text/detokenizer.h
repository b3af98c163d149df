// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace vila::text {

/// Turns a stream of ids into text pieces that never cut a character: the concatenation of what
/// push() and finish() return equals decode() of all ids. One thread.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// Text that is certain now (maybe empty) after one more id.
  std::string push(TokenId id);
  /// What was still held back; malformed bytes as U+FFFD.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::vector<TokenId> ids_;
  size_t emitted_ = 0;  // bytes of decode(ids_) already returned
};

}  // namespace vila::text
