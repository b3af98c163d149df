// SPDX-License-Identifier: Apache-2.0
#include "eval/choice.h"

#include <algorithm>
#include <array>

#include "eval/python_text.h"

namespace vila::eval {
namespace {

constexpr std::string_view kFailedCall = "Failed to obtain answer via API";
constexpr std::array<std::string_view, 4> kRefusals = {
    "Sorry, I can't help with images of people yet.", "I can't process this file.",
    "I'm sorry, but without the image provided", "Cannot determine the answer"};
constexpr std::string_view kPunctuation = ".()[],:;!*#{}";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The only option letter among the words, if it stands among the last four.
char infer_letter(std::string_view answer, const Choices& choices) {
  std::string spaced(answer);
  std::replace_if(
      spaced.begin(), spaced.end(),
      [](char c) { return kPunctuation.find(c) != std::string_view::npos; }, ' ');
  const auto words = python_split(spaced);
  const auto position = [&](char letter) {
    const auto found = std::find(words.begin(), words.end(), std::string_view(&letter, 1));
    return found == words.end() ? std::ptrdiff_t{-1} : found - words.begin();
  };
  char only = '\0';
  int count = 0;
  for (const auto& [letter, text] : choices) {
    if (position(letter) < 0) continue;
    only = letter;
    ++count;
  }
  if (count == 0) return position('Z') >= 0 ? 'Z' : '\0';
  const bool is_late = position(only) > static_cast<std::ptrdiff_t>(words.size()) - 5;
  return count == 1 && is_late ? only : '\0';
}

// "answer is **X**".
char infer_emphasis(std::string_view answer) {
  constexpr std::string_view kPhrase = "answer is **";
  const size_t at = answer.find(kPhrase);
  if (at == std::string_view::npos || answer.size() < at + kPhrase.size() + 3) return '\0';
  const char letter = answer[at + kPhrase.size()];
  const bool is_closed = answer.substr(at + kPhrase.size() + 1, 2) == "**";
  return is_closed && letter >= 'A' && letter <= 'D' ? letter : '\0';
}

// The only option whose text the answer contains, unless the answer is long.
char infer_text(std::string_view answer, const Choices& choices) {
  const std::string lower = python_lower(answer);
  size_t length = 0;
  for (const auto& [letter, text] : choices)
    length += python_length(text);
  if (python_length(lower) > 2 * length) return '\0';
  char only = '\0';
  int count = 0;
  for (const auto& [letter, text] : choices) {
    if (!contains(lower, python_lower(text))) continue;
    only = letter;
    ++count;
  }
  return count == 1 ? only : '\0';
}

}  // namespace

char infer_choice(std::string_view answer, const Choices& choices) {
  if (contains(answer, kFailedCall)) return '\0';
  const auto refuses = [&](std::string_view phrase) { return contains(answer, phrase); };
  if (std::any_of(kRefusals.begin(), kRefusals.end(), refuses)) return 'Z';
  if (const char letter = infer_letter(answer, choices)) return letter;
  if (const char letter = infer_emphasis(answer)) return letter;
  return infer_text(answer, choices);
}

}  // namespace vila::eval
