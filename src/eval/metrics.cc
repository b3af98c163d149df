// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>

#include "base/utf8.h"
#include "eval/python_text.h"

namespace vila::eval {
namespace {

// float() of Python for decimal numbers, "12%" as 0.12.
std::optional<double> number_of(std::string_view text) {
  const bool is_percent = text.ends_with('%');
  std::string digits(python_strip(is_percent ? text.substr(0, text.find('%')) : text));
  if (digits.empty() || digits.find_first_not_of("0123456789.+-eE") != std::string::npos) {
    return std::nullopt;
  }
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (end != digits.c_str() + digits.size()) return std::nullopt;
  return is_percent ? value / 100 : value;
}

std::string collapse(std::string_view text) {
  const std::string lower = python_lower(text);
  std::string joined;
  for (const std::string_view word : python_split(lower)) {
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

}  // namespace

bool is_relaxed_match(std::string_view prediction, std::string_view gold) {
  constexpr double kTolerance = 0.05;
  const auto found = number_of(prediction);
  const auto wanted = number_of(gold);
  if (found && wanted && *wanted != 0) {
    return std::abs(*found - *wanted) / std::abs(*wanted) <= kTolerance;
  }
  return python_lower(prediction) == python_lower(gold);
}

size_t edit_distance(std::string_view a, std::string_view b) {
  const std::vector<char32_t> from = decode_utf8(a);
  const std::vector<char32_t> to = decode_utf8(b);
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= from.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= to.size(); ++j) {
      const size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

double anls(std::string_view prediction, std::span<const std::string> golds) {
  constexpr double kThreshold = 0.5;
  // Beyond this an answer cannot reach one half of a gold of usual length, and would cost much.
  constexpr size_t kMostCharacters = 10000;
  double best = 0;
  for (const std::string& gold : golds) {
    const size_t length = std::max(python_length(prediction), python_length(gold));
    if (length > kMostCharacters) continue;
    const size_t distance = edit_distance(collapse(gold), collapse(prediction));
    const double share =
        length == 0 ? 0 : static_cast<double>(distance) / static_cast<double>(length);
    best = std::max(best, 1 - share);
  }
  return best < kThreshold ? 0 : best;
}

std::vector<std::string> python_list(std::string_view text) {
  const std::string_view stripped = python_strip(text);
  if (stripped.size() < 2 || stripped.front() != '[' || stripped.back() != ']') {
    return {std::string(text)};
  }
  std::vector<std::string> items;
  for (size_t i = 1; i + 1 < stripped.size(); ++i) {
    const char quote = stripped[i];
    if (quote != '\'' && quote != '"') continue;
    std::string item;
    for (++i; i + 1 < stripped.size() && stripped[i] != quote; ++i) {
      if (stripped[i] == '\\' && i + 2 < stripped.size()) ++i;
      item += stripped[i];
    }
    items.push_back(std::move(item));
  }
  if (items.empty()) return {std::string(text)};
  return items;
}

}  // namespace vila::eval
