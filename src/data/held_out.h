// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vila::data {

/// Concepts that training must not see. Case and punctuation are ignored. Immutable, thread-safe.
class HeldOutConcepts {
 public:
  HeldOutConcepts() = default;
  explicit HeldOutConcepts(const std::vector<std::string>& names);

  /// Names from files: one per line, blank lines and lines from "#" on skipped.
  /// @throws Error{not_found} naming the file.
  static HeldOutConcepts load(const std::vector<std::filesystem::path>& files);

  bool empty() const { return names_.empty(); }

  bool contains(std::string_view label) const;
  /// The first held-out concept that stands in a text as whole words.
  std::optional<std::string> mentioned_in(std::string_view text) const;

 private:
  std::set<std::string, std::less<>> names_;  // words in lower case, one blank between
  size_t longest_ = 0;                        // words of the longest name
};

}  // namespace vila::data
