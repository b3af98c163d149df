// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vila::text {

/// Cuts text into the words of a byte-level BPE by regular expressions, as the "pre_tokenizer" of a
/// tokenizer.json says: each match and each gap between two is a word. Immutable, thread-safe.
class TextSplitter {
 public:
  /// @param patterns  applied one after the other, each to the words of the one before.
  /// @throws Error{invalid_model} a pattern that PCRE2 does not take, with its reason.
  explicit TextSplitter(const std::vector<std::string>& patterns);
  TextSplitter(TextSplitter&&) noexcept;
  ~TextSplitter();

  /// The words of well-formed UTF-8 text, in order; together they are the text.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Pattern;
  std::vector<std::unique_ptr<Pattern>> patterns_;
};

/// The text in Unicode's composed form (NFC). @pre well-formed UTF-8
std::string compose_nfc(std::string_view text);

}  // namespace vila::text
