// SPDX-License-Identifier: Apache-2.0
#include "eval/python_text.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include <fmt/format.h>

#include "base/utf8.h"
#include "eval/unicode_tables.h"

namespace vila::eval {
namespace {

struct CodePoint {
  char32_t value = 0;
  size_t size = 1;  // bytes
};

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// The code point at `offset`; a malformed byte stands for itself. Readers have checked the UTF-8.
CodePoint code_point_at(std::string_view text, size_t offset) {
  const auto lead = static_cast<unsigned char>(text[offset]);
  if (lead < 0x80) return {lead, 1};
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC0 || offset + size > text.size()) return {lead, 1};
  char32_t value = lead & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i)
    value = value << 6 | (static_cast<unsigned char>(text[offset + i]) & 0x3F);
  return {value, size};
}

// Offset of the code point that ends right before `end`. @pre end > 0
size_t before(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && is_continuation(text[begin]))
    --begin;
  return begin;
}

bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_digit(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto zeros = digit_zeros();
  const auto above = std::upper_bound(zeros.begin(), zeros.end(), c);
  return above != zeros.begin() && c - *(above - 1) < 10;
}

char32_t lower_of(char32_t c) {
  const auto ranges = lower_ranges();
  const auto above =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t value, const LowerRange& range) { return value < range.first; });
  // Ranges of step 2 interleave, so the one before the nearest may be the one that holds c.
  for (auto range = above; range != ranges.begin() && above - range < 4;) {
    --range;
    if (c <= range->last && (c - range->first) % range->step == 0)
      return static_cast<char32_t>(static_cast<int64_t>(c) + range->delta);
  }
  return c;
}

bool is_cased(char32_t c) {
  if (c < 0x80) return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
  if (lower_of(c) != c) return true;
  return std::any_of(lower_ranges().begin(), lower_ranges().end(), [c](const LowerRange& range) {
    const auto upper = static_cast<char32_t>(static_cast<int64_t>(c) - range.delta);
    return upper >= range.first && upper <= range.last && (upper - range.first) % range.step == 0;
  });
}

bool is_case_ignorable(char32_t c) {
  return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xAD || c == 0xB7 ||
         c == 0x2019 || (c >= 0x300 && c <= 0x36F);
}

// Unicode's Final_Sigma: a cased letter before, none after, ignorable marks skipped.
bool is_final_sigma(std::string_view text, size_t offset, size_t size) {
  size_t begin = offset;
  bool is_after_cased = false;
  while (begin > 0) {
    begin = before(text, begin);
    const char32_t c = code_point_at(text, begin).value;
    if (is_case_ignorable(c)) continue;
    is_after_cased = is_cased(c);
    break;
  }
  if (!is_after_cased) return false;
  for (size_t end = offset + size; end < text.size();) {
    const CodePoint next = code_point_at(text, end);
    if (!is_case_ignorable(next.value)) return !is_cased(next.value);
    end += next.size;
  }
  return true;
}

void append_lower(std::string& lower, std::string_view text, size_t offset, CodePoint c) {
  constexpr char32_t kCapitalSigma = 0x3A3;
  constexpr char32_t kDottedI = 0x130;
  if (c.value == kDottedI) {
    lower += "i\xCC\x87";
  } else if (c.value == kCapitalSigma) {
    lower += is_final_sigma(text, offset, c.size) ? "\xCF\x82" : "\xCF\x83";
  } else if (const char32_t low = lower_of(c.value); low != c.value) {
    append_utf8(lower, low);
  } else {
    lower += text.substr(offset, c.size);
  }
}

}  // namespace

std::string_view python_strip(std::string_view text) {
  size_t begin = 0;
  while (begin < text.size()) {
    const CodePoint c = code_point_at(text, begin);
    if (!is_space(c.value)) break;
    begin += c.size;
  }
  size_t end = text.size();
  while (end > begin) {
    const size_t last = before(text, end);
    if (!is_space(code_point_at(text, last).value)) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

std::vector<std::string_view> python_split(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  bool is_inside = false;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = code_point_at(text, i);
    const bool space = is_space(c.value);
    if (space && is_inside) words.push_back(text.substr(begin, i - begin));
    if (!space && !is_inside) begin = i;
    is_inside = !space;
    i += c.size;
  }
  if (is_inside) words.push_back(text.substr(begin));
  return words;
}

std::string python_lower(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x80) {
      lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
      ++i;
      continue;
    }
    const CodePoint point = code_point_at(text, i);
    append_lower(lower, text, i, point);
    i += point.size;
  }
  return lower;
}

bool starts_with_digit(std::string_view text, size_t offset) {
  return offset < text.size() && is_digit(code_point_at(text, offset).value);
}

bool ends_with_digit(std::string_view text, size_t offset) {
  return offset > 0 && is_digit(code_point_at(text, before(text, offset)).value);
}

size_t python_length(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string fixed(double value, int decimals) {
  return fmt::format("{:.{}f}", value, decimals);
}

double python_round(double value, int decimals) {
  return std::strtod(fixed(value, decimals).c_str(), nullptr);
}

double numpy_round(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::nearbyint(value * scale) / scale;
}

}  // namespace vila::eval
