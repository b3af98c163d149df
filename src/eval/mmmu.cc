// SPDX-License-Identifier: Apache-2.0
#include "eval/mmmu.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "base/strings.h"
#include "eval/python_text.h"

namespace vila::eval {
namespace {

constexpr std::string_view kMarks = ",.!?;:'";

constexpr std::array<std::string_view, 8> kIndicators = {
    "could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "};

// str.strip() of each mark in its turn, as the script does.
std::string_view strip_marks(std::string_view text) {
  for (const char mark : std::string_view(",.!?;:'")) {
    const size_t begin = std::min(text.find_first_not_of(mark), text.size());
    text = text.substr(begin);
    text = text.substr(0, text.find_last_not_of(mark) + 1);
  }
  return text;
}

// One way of naming an option: how its letter or text must stand in the answer.
template <typename Form>
char last_named(std::string_view answer, const Choices& choices, const Form& form) {
  char best = '\0';
  size_t best_at = 0;
  for (const auto& choice : choices) {
    const size_t at = answer.rfind(form(choice));
    if (at == std::string_view::npos || (best != '\0' && at <= best_at)) continue;
    best = choice.first;
    best_at = at;
  }
  return best;
}

// float() of Python where the text is a number, commas left out.
std::optional<double> number_of(std::string_view text) {
  std::string digits(python_strip(text));
  std::erase(digits, ',');
  if (digits.empty() || digits.find_first_not_of("0123456789.+-eE") != std::string::npos) {
    return std::nullopt;
  }
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (end != digits.c_str() + digits.size()) return std::nullopt;
  return value;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Where the number that begins at `at` ends: digits with commas between groups of three, or a
// decimal, with an exponent.
size_t number_end(std::string_view text, size_t at) {
  size_t end = at;
  if (text[end] == '-') ++end;
  const size_t begin = end;
  const auto digit_at = [&](size_t i) { return i < text.size() && is_digit(text[i]); };
  while (digit_at(end))
    ++end;
  while (end < text.size() && text[end] == ',' && digit_at(end + 1) && digit_at(end + 2) &&
         digit_at(end + 3) && !digit_at(end + 4))
    end += 4;
  if (end < text.size() && text[end] == '.' && digit_at(end + 1)) {
    ++end;
    while (digit_at(end))
      ++end;
  }
  if (end == begin) return at;
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    const size_t first = exponent;
    while (digit_at(exponent))
      ++exponent;
    if (exponent > first) end = exponent;
  }
  return end;
}

std::vector<double> numbers_in(std::string_view text) {
  std::vector<double> numbers;
  for (size_t at = 0; at < text.size();) {
    const size_t end = number_end(text, at);
    if (end == at) {
      ++at;
      continue;
    }
    if (const auto value = number_of(text.substr(at, end - at))) numbers.push_back(*value);
    at = end;
  }
  return numbers;
}

// The shortest text that follows an indicator in one part of the answer, "" for none.
std::string_view key_part(std::string_view part, bool is_last) {
  std::string_view shortest;
  const auto consider = [&](std::string_view indicator) {
    const size_t at = part.rfind(indicator);
    if (at == std::string_view::npos) return;
    const std::string_view after = python_strip(part.substr(at + indicator.size()));
    if (shortest.empty() || after.size() < shortest.size()) shortest = after;
  };
  for (const std::string_view indicator : kIndicators)
    consider(indicator);
  if (is_last) consider("=");
  const bool is_mark = shortest.size() == 1 && kMarks.find(shortest) != std::string_view::npos;
  return is_mark ? std::string_view() : shortest;
}

// The parts of an answer that may hold the result; all of it where none does. The script looks for
// sentence ends before capitals after it has made all lower case, so only newlines part.
std::vector<std::string> key_parts(std::string_view answer) {
  std::string_view stripped = python_strip(answer);
  const size_t begin = std::min(stripped.find_first_not_of('.'), stripped.size());
  stripped = stripped.substr(begin, stripped.find_last_not_of('.') + 1 - begin);
  const std::string lower = python_lower(stripped);
  const auto lines = split(lower, "\n");
  std::vector<std::string> parts;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view part = key_part(lines[i], i + 1 == lines.size());
    if (!part.empty()) parts.emplace_back(part);
  }
  if (parts.empty()) parts.push_back(lower);
  return parts;
}

bool are_equal_numbers(double a, double b) {
  constexpr int kDecimals = 2;
  return python_round(a, kDecimals) == python_round(b, kDecimals);
}

// Texts as the script compares them: a single character must stand beside a blank.
std::vector<std::string> text_forms(std::string_view text) {
  const std::string lower = python_lower(python_strip(text));
  if (python_length(lower) == 1) return {" " + lower, lower + " "};
  return {lower};
}

bool matches_gold(const std::string& part, const std::string& gold) {
  if (const auto wanted = number_of(gold)) {
    if (const auto found = number_of(part); found && are_equal_numbers(*found, *wanted))
      return true;
    const std::vector<double> found = numbers_in(part);
    return std::any_of(found.begin(), found.end(),
                       [&](double value) { return are_equal_numbers(value, *wanted); });
  }
  if (number_of(part)) return false;
  for (const std::string& form : text_forms(gold)) {
    for (const std::string& own : text_forms(part)) {
      if (own.find(form) != std::string::npos) return true;
    }
  }
  return false;
}

}  // namespace

char mmmu_choice(std::string_view answer, const Choices& choices) {
  const std::string padded = " " + std::string(strip_marks(answer)) + " ";
  using Choice = Choices::value_type;
  if (const char letter = last_named(padded, choices, [](const Choice& choice) {
        return "(" + std::string(1, choice.first) + ")";
      })) {
    return letter;
  }
  if (const char letter = last_named(padded, choices, [](const Choice& choice) {
        return " " + std::string(1, choice.first) + " ";
      })) {
    return letter;
  }
  constexpr size_t kFewWords = 5;
  if (python_split(padded).size() <= kFewWords) return '\0';
  const std::string lower = python_lower(padded);
  return last_named(lower, choices,
                    [](const Choice& choice) { return python_lower(choice.second); });
}

bool is_mmmu_match(std::string_view answer, std::span<const std::string> golds) {
  for (const std::string& part : key_parts(answer)) {
    for (const std::string& gold : golds) {
      if (matches_gold(part, gold)) return true;
    }
  }
  return false;
}

}  // namespace vila::eval
