// SPDX-License-Identifier: Apache-2.0
#include "eval/json_cursor.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"

namespace vila::eval {
namespace {

constexpr int kMaxDepth = 64;  // bits of is_first_
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Eight bytes at a time (Lamport, "Multiple byte processing with full-word instructions", 1975): a
// byte's highest bit says that it is one of those looked for, exact up to the first such byte.
constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

constexpr uint64_t bytes_below(uint64_t word, uint64_t limit) {
  return (word - kOnes * limit) & ~word & kHighs;
}

// Bytes that a string cannot hold as they are: quote, backslash, control characters.
constexpr uint64_t bytes_not_plain(uint64_t word) {
  return bytes_below(word ^ (kOnes * '"'), 1) | bytes_below(word ^ (kOnes * '\\'), 1) |
         bytes_below(word, ' ');
}

bool is_plain(char c) {
  return static_cast<unsigned char>(c) >= ' ' && c != '"' && c != '\\';
}

}  // namespace

JsonCursor::JsonCursor(std::string_view text, std::string source, int64_t first_line)
    : text_(text), source_(std::move(source)), first_line_(first_line) {
  if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
}

void JsonCursor::fail_here(std::string_view expected) const {
  const std::string_view before = text_.substr(0, at_);
  const auto line = std::count(before.begin(), before.end(), '\n') + first_line_;
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  const std::string found =
      at_ >= text_.size() ? "the end" : '"' + replace_invalid_utf8(text_.substr(at_, 24)) + '"';
  fail(ErrorCode::invalid_data, "{}:{}:{}: expected {}, found {}", source_, line,
       at_ - line_begin + 1, expected, found);
}

char JsonCursor::next_char() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
    ++at_;
  }
  return '\0';
}

void JsonCursor::expect(char c, std::string_view expected) {
  if (next_char() != c) fail_here(expected);
  ++at_;
}

JsonCursor::Kind JsonCursor::peek() {
  switch (next_char()) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      if (at_ < text_.size() && (text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9'))) {
        return Kind::number;
      }
      fail_here("a JSON value");
  }
}

void JsonCursor::push() {
  if (depth_ == kMaxDepth) fail_here("JSON of at most 64 levels");
  ++depth_;
  is_first_ = is_first_ << 1 | 1;
}

void JsonCursor::enter_object() {
  expect('{', "an object");
  push();
}

void JsonCursor::enter_array() {
  expect('[', "an array");
  push();
}

bool JsonCursor::next_of(char close) {
  if (next_char() == close) {
    ++at_;
    --depth_;
    is_first_ >>= 1;
    return false;
  }
  const bool is_first = (is_first_ & 1) != 0;
  if (!is_first) expect(',', close == '}' ? "',' or '}'" : "',' or ']'");
  is_first_ &= ~uint64_t{1};
  return true;
}

bool JsonCursor::next_key(std::string& key) {
  if (!next_of('}')) return false;
  if (next_char() != '"') fail_here("a key");
  string(key);
  expect(':', "':'");
  return true;
}

bool JsonCursor::next_item() {
  return next_of(']');
}

// Goes to the first character that a string cannot hold as it is, or to the end. @return whether
// all before it are ASCII.
bool JsonCursor::skip_plain() {
  uint64_t seen = 0;
  for (uint64_t word = 0; at_ + sizeof(word) <= text_.size(); at_ += sizeof(word)) {
    std::memcpy(&word, text_.data() + at_, sizeof(word));
    if constexpr (std::endian::native != std::endian::little) break;
    const uint64_t found = bytes_not_plain(word);
    if (found != 0) {
      const int end = std::countr_zero(found) / 8;
      at_ += static_cast<size_t>(end);
      const uint64_t before = (uint64_t{1} << (8 * end)) - 1;
      return ((seen | (word & before)) & kHighs) == 0;
    }
    seen |= word;
  }
  bool is_ascii = (seen & kHighs) == 0;
  for (; at_ < text_.size() && is_plain(text_[at_]); ++at_)
    is_ascii = is_ascii && static_cast<signed char>(text_[at_]) >= 0;
  return is_ascii;
}

void JsonCursor::string(std::string& value) {
  expect('"', "a string");
  const size_t begin = at_;
  bool is_ascii = skip_plain();
  value.assign(text_, begin, at_ - begin);
  while (at_ < text_.size() && text_[at_] == '\\') {
    escape(value);
    const size_t run = ++at_;
    is_ascii = skip_plain() && is_ascii;
    value.append(text_, run, at_ - run);
  }
  if (at_ >= text_.size()) fail_here("the end of a string");
  if (text_[at_] != '"') fail_here("no control character in a string");
  if (!is_ascii && !is_valid_utf8(value)) {
    at_ = begin;
    fail_here("UTF-8");
  }
  ++at_;
}

// The same checks without the value, where there is no escape: most strings that no one reads.
void JsonCursor::skip_string() {
  const size_t quote = at_;
  ++at_;
  const bool is_ascii = skip_plain();
  if (is_ascii && at_ < text_.size() && text_[at_] == '"') {
    ++at_;
    return;
  }
  at_ = quote;
  string(scratch_);
}

char32_t JsonCursor::hex4() {
  uint32_t value = 0;
  const std::string_view digits = text_.substr(std::min(at_ + 1, text_.size()), 4);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || digits.size() != 4 || end != digits.data() + 4) {
    fail_here("four hexadecimal digits");
  }
  at_ += 4;
  return value;
}

void JsonCursor::escape(std::string& value) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  ++at_;
  if (at_ >= text_.size()) fail_here("the rest of an escape");
  if (const size_t which = kLetters.find(text_[at_]); which != std::string_view::npos) {
    value += kMeanings[which];
    return;
  }
  if (text_[at_] != 'u') fail_here("an escape of JSON");
  char32_t code = hex4();
  if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_ + 1, 2) == "\\u") {
    at_ += 2;
    const char32_t low = hex4();
    if (low < 0xDC00 || low > 0xDFFF) fail_here("a low surrogate");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code >= 0xD800 && code <= 0xDFFF) fail_here("a pair of surrogates");
  append_utf8(value, code);
}

size_t JsonCursor::skip_digits() {
  const size_t begin = at_;
  while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9')
    ++at_;
  return at_ - begin;
}

std::string_view JsonCursor::number_text() {
  next_char();
  const size_t begin = at_;
  if (at_ < text_.size() && text_[at_] == '-') ++at_;
  const size_t first = at_;
  const size_t whole = skip_digits();
  bool is_valid = whole == 1 || (whole > 1 && text_[first] != '0');
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    is_valid = skip_digits() > 0 && is_valid;
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    is_valid = skip_digits() > 0 && is_valid;
  }
  if (!is_valid) {
    at_ = begin;
    fail_here("a number");
  }
  return text_.substr(begin, at_ - begin);
}

void JsonCursor::text(std::string& value) {
  if (peek() == Kind::number) {
    value = number_text();
  } else {
    string(value);
  }
}

double JsonCursor::number() {
  return std::strtod(std::string(number_text()).c_str(), nullptr);
}

int64_t JsonCursor::integer() {
  const size_t begin = (next_char(), at_);
  const std::string_view digits = number_text();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    at_ = begin;
    fail_here("an integer");
  }
  return value;
}

void JsonCursor::literal(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) fail_here(word);
  at_ += word.size();
}

bool JsonCursor::boolean() {
  if (peek() != Kind::boolean) fail_here("true or false");
  const bool value = text_[at_] == 't';
  literal(value ? "true" : "false");
  return value;
}

void JsonCursor::skip() {
  switch (peek()) {
    case Kind::object:
      enter_object();
      while (next_key(scratch_))
        skip();
      return;
    case Kind::array:
      enter_array();
      while (next_item())
        skip();
      return;
    case Kind::string:
      skip_string();
      return;
    case Kind::number:
      number_text();
      return;
    case Kind::boolean:
      boolean();
      return;
    case Kind::null:
      literal("null");
      return;
  }
}

std::string_view JsonCursor::take_value() {
  peek();
  const size_t begin = at_;
  skip();
  return text_.substr(begin, at_ - begin);
}

void JsonCursor::finish() {
  next_char();
  if (at_ < text_.size()) fail_here("the end");
}

size_t JsonCursor::position() {
  next_char();
  return at_;
}

JsonCursor JsonCursor::at_item(size_t position) const {
  JsonCursor other(*this);
  other.at_ = position;
  other.is_first_ |= 1;
  return other;
}

void JsonCursor::go_on_from(const JsonCursor& other) {
  at_ = other.at_;
  depth_ = other.depth_;
  is_first_ = other.is_first_;
}

}  // namespace vila::eval
