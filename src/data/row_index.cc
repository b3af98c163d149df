// SPDX-License-Identifier: Apache-2.0
#include "data/row_index.h"

#include <limits>

#include "base/error.h"

namespace vila::data {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/// Walks over JSON text without building anything: just enough to find where a value ends.
class Scanner {
 public:
  Scanner(std::string_view text, size_t begin) : text_(text), at_(begin) {}

  size_t position() const { return at_; }

  size_t line() const { return line_; }

  bool done() const { return at_ >= text_.size(); }

  char peek() const { return text_[at_]; }

  void step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }

  void skip_blanks() {
    while (!done() && is_blank(peek()))
      step();
  }

  /// Leaves the position at the "," or "]" behind a value of the outermost array, or at the end.
  void skip_value() {
    int64_t depth = 0;
    while (!done()) {
      const char c = peek();
      if (c == '"') {
        skip_string();
        continue;
      }
      if (depth == 0 && (c == ',' || c == ']')) return;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      step();
    }
  }

 private:
  void skip_string() {
    ++at_;
    while (!done() && peek() != '"') {
      if (peek() == '\\') ++at_;
      if (!done()) step();
    }
    if (!done()) ++at_;
  }

  std::string_view text_;
  size_t at_;
  size_t line_ = 1;
};

}  // namespace

RowIndex::RowIndex(const std::filesystem::path& path) : file_(path) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  const std::string_view all = content();
  const size_t begin = all.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  Scanner scanner(all, begin);
  scanner.skip_blanks();
  if (!scanner.done() && scanner.peek() == '[') {
    index_array(begin);
  } else {
    index_lines(begin);
  }
  rows_.shrink_to_fit();
}

std::string_view RowIndex::text(int64_t row) const {
  VILA_CHECK(row >= 0 && row < size(), "row {} of {}", row, size());
  const Row& found = rows_[static_cast<size_t>(row)];
  return content().substr(static_cast<size_t>(found.offset), found.size);
}

int64_t RowIndex::line(int64_t row) const {
  VILA_CHECK(row >= 0 && row < size(), "row {} of {}", row, size());
  return rows_[static_cast<size_t>(row)].line;
}

std::string_view RowIndex::content() const noexcept {
  const auto bytes = file_.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void RowIndex::index_lines(size_t begin) {
  const std::string_view all = content();
  for (size_t line = 1; begin < all.size(); ++line) {
    const size_t newline = all.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? all.size() : newline;
    add(begin, end, line);
    begin = end + 1;
  }
}

void RowIndex::index_array(size_t begin) {
  Scanner scanner(content(), begin);
  scanner.skip_blanks();
  scanner.step();  // "["
  bool closed = false;
  while (!scanner.done() && !closed) {
    scanner.skip_blanks();
    const size_t value = scanner.position();
    const size_t line = scanner.line();
    scanner.skip_value();
    if (scanner.done()) break;
    closed = scanner.peek() == ']';
    const bool empty = value == scanner.position();
    if (empty && !(closed && rows_.empty())) {
      fail(ErrorCode::invalid_data, "{}:{}: expected a value in the JSON array, found \"{}\"",
           path().string(), line, scanner.peek());
    }
    if (!empty) add(value, scanner.position(), line);
    scanner.step();
  }
  if (!closed) {
    fail(ErrorCode::invalid_data,
         "{}:{}: expected \"]\" at the end of the JSON array, found the end of the file after {} "
         "rows; is it cut short?",
         path().string(), scanner.line(), size());
  }
  scanner.skip_blanks();
  if (!scanner.done()) {
    fail(ErrorCode::invalid_data, "{}:{}: expected nothing behind the JSON array, found \"{}\"",
         path().string(), scanner.line(), scanner.peek());
  }
}

void RowIndex::add(size_t begin, size_t end, size_t line) {
  const std::string_view all = content();
  while (begin < end && is_blank(all[begin]))
    ++begin;
  while (end > begin && is_blank(all[end - 1]))
    --end;
  if (begin == end) return;
  constexpr size_t kLimit = std::numeric_limits<uint32_t>::max();
  if (end - begin > kLimit || line > kLimit) {
    fail(ErrorCode::invalid_data, "{}:{}: expected rows below 4 GiB, found one of {} bytes",
         path().string(), line, end - begin);
  }
  rows_.push_back({static_cast<int64_t>(begin), static_cast<uint32_t>(end - begin),
                   static_cast<uint32_t>(line)});
}

}  // namespace vila::data
