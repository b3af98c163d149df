// SPDX-License-Identifier: Apache-2.0
#include "data/held_out.h"

#include <algorithm>
#include <sstream>

#include "base/file.h"

namespace vila::data {
namespace {

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

/// Words in lower case (ASCII); everything but letters, digits and non-ASCII characters separates.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool is_open = false;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!is_word_byte(c)) {
      is_open = false;
      continue;
    }
    if (!is_open) words.emplace_back();
    words.back() += c;
    is_open = true;
  }
  return words;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

HeldOutConcepts::HeldOutConcepts(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::vector<std::string> words = words_of(name);
    if (words.empty()) continue;
    names_.insert(join(words));
    longest_ = std::max(longest_, words.size());
  }
}

HeldOutConcepts HeldOutConcepts::load(const std::vector<std::filesystem::path>& files) {
  std::vector<std::string> names;
  for (const std::filesystem::path& file : files) {
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('#')) names.push_back(line);
    }
  }
  return HeldOutConcepts(names);
}

bool HeldOutConcepts::contains(std::string_view label) const {
  return !empty() && names_.contains(join(words_of(label)));
}

std::optional<std::string> HeldOutConcepts::mentioned_in(std::string_view text) const {
  if (empty()) return std::nullopt;
  const std::vector<std::string> words = words_of(text);
  for (size_t begin = 0; begin < words.size(); ++begin) {
    std::string name;
    for (size_t end = begin; end < std::min(words.size(), begin + longest_); ++end) {
      name += (end == begin ? "" : " ") + words[end];
      if (names_.contains(name)) return name;
    }
  }
  return std::nullopt;
}

}  // namespace vila::data
