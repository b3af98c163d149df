// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <algorithm>

namespace vila {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

/// One step of decoding: how many bytes belong together and whether they are a whole character,
/// a malformed part, or a well-formed beginning that the text ends in.
struct Step {
  size_t length;

  enum Kind { character, malformed, unfinished } kind;

  char32_t code_point;
};

/// Range of the second byte that the first byte allows (Unicode standard, table 3-7).
struct Lead {
  int length;
  uint8_t second_low;
  uint8_t second_high;
};

Lead lead_of(uint8_t first) noexcept {
  if (first < 0x80) return {1, 0, 0};
  if (first >= 0xC2 && first <= 0xDF) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

Step step_at(std::string_view bytes, size_t at) noexcept {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t first = byte(at);
  const Lead lead = lead_of(first);
  if (lead.length == 0) return {1, Step::malformed, kReplacement};
  if (lead.length == 1) return {1, Step::character, first};
  char32_t code_point = first & (0xFFu >> (lead.length + 1));
  for (size_t i = 1; i < static_cast<size_t>(lead.length); ++i) {
    if (at + i >= bytes.size()) return {i, Step::unfinished, kReplacement};
    const uint8_t low = i == 1 ? lead.second_low : uint8_t{0x80};
    const uint8_t high = i == 1 ? lead.second_high : uint8_t{0xBF};
    if (byte(at + i) < low || byte(at + i) > high) return {i, Step::malformed, kReplacement};
    code_point = (code_point << 6) | (byte(at + i) & 0x3Fu);
  }
  return {static_cast<size_t>(lead.length), Step::character, code_point};
}

}  // namespace

bool is_valid_utf8(std::string_view bytes) noexcept {
  for (size_t at = 0; at < bytes.size();) {
    const Step step = step_at(bytes, at);
    if (step.kind != Step::character) return false;
    at += step.length;
  }
  return true;
}

size_t complete_utf8_prefix(std::string_view bytes) noexcept {
  const size_t first = bytes.size() > 3 ? bytes.size() - 3 : 0;
  for (size_t at = first; at < bytes.size(); ++at) {
    const bool is_lead = lead_of(static_cast<uint8_t>(bytes[at])).length > 1;
    if (is_lead && step_at(bytes, at).kind == Step::unfinished) return at;
  }
  return bytes.size();
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const Step step = step_at(bytes, at);
    if (step.kind == Step::character) {
      text.append(bytes.substr(at, step.length));
    } else {
      append_utf8(text, kReplacement);
    }
    at += step.length;
  }
  return text;
}

std::vector<char32_t> decode_utf8(std::string_view text) {
  std::vector<char32_t> code_points;
  code_points.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Step step = step_at(text, at);
    code_points.push_back(step.code_point);
    at += step.length;
  }
  return code_points;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](uint32_t value) { text.push_back(static_cast<char>(value)); };
  const auto tail = [&](int shift) { put(0x80u | ((code_point >> shift) & 0x3Fu)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0u | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    put(0xE0u | (code_point >> 12));
    tail(6);
    tail(0);
  } else {
    put(0xF0u | (code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace vila
