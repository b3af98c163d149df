// SPDX-License-Identifier: Apache-2.0
#include "eval/json_cursor.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "base/utf8.h"

namespace vila::eval {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

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

void JsonCursor::skip_space() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

char JsonCursor::next_char() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
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
  if (is_first_.size() == kMaxDepth) fail_here("JSON of at most 64 levels");
  is_first_.push_back(true);
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
  const bool is_first = is_first_.back();
  if (next_char() == close) {
    ++at_;
    is_first_.pop_back();
    return false;
  }
  if (!is_first) expect(',', close == '}' ? "',' or '}'" : "',' or ']'");
  is_first_.back() = false;
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

void JsonCursor::string(std::string& value) {
  expect('"', "a string");
  value.clear();
  const size_t begin = at_;
  bool is_ascii = true;
  for (size_t run = at_;; ++at_) {
    if (at_ >= text_.size()) fail_here("the end of a string");
    const char c = text_[at_];
    if (static_cast<signed char>(c) >= ' ' && c != '"' && c != '\\') continue;
    if (static_cast<unsigned char>(c) >= 0x80) {
      is_ascii = false;
      continue;
    }
    value.append(text_, run, at_ - run);
    if (c == '"') break;
    if (c != '\\') fail_here("no control character in a string");
    escape(value);
    run = at_ + 1;
  }
  if (!is_ascii && !is_valid_utf8(value)) {
    at_ = begin;
    fail_here("UTF-8");
  }
  ++at_;
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
      string(scratch_);
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
  skip_space();
  if (at_ < text_.size()) fail_here("the end");
}

}  // namespace vila::eval
