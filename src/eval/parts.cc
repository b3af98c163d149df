// SPDX-License-Identifier: Apache-2.0
#include "eval/parts.h"

#include <algorithm>
#include <exception>
#include <span>
#include <vector>

#include "base/core_count.h"

namespace vila::eval {
namespace {

constexpr size_t kPartBytes = size_t{4} << 20;  // large beside what a part costs
constexpr size_t kMostParts = 64;
constexpr size_t kEnd = SIZE_MAX;

// One part of an array, read from where it begins up to where another begins.
struct ArrayPart {
  JsonCursor cursor;
  ReadItem read{};
  size_t stopped_at = kEnd;  // beginning of the first item that is not of this part; kEnd: none
  std::exception_ptr error{};

  // Reads items that begin before `stop`. @pre the cursor is between two items
  void run(size_t stop) {
    try {
      while (cursor.next_item()) {
        stopped_at = cursor.position();
        if (stopped_at >= stop) return;
        read(cursor);
      }
      stopped_at = kEnd;
    } catch (...) {
      error = std::current_exception();
    }
  }

  // The same of a part that has stopped: its cursor is in front of an item already.
  void run_on(size_t stop) {
    cursor = cursor.at_item(stopped_at);
    run(stop);
  }
};

// The text from the bracket of the array's first item to the first quote that closes a key, which
// other items most likely begin with as well; "" where there is no such item.
std::string_view first_words(std::string_view text, size_t begin) {
  const size_t open = text.find('"', begin);
  const size_t close = open == std::string_view::npos ? open : text.find('"', open + 1);
  if (begin >= text.size() || text[begin] != '{' || close == std::string_view::npos) return {};
  return text.substr(begin, close + 1 - begin);
}

// Where parts may begin: the first item, then guesses at equal distances.
std::vector<size_t> guess_starts(JsonCursor& array) {
  const std::string_view text = array.document();
  const size_t begin = array.position();
  std::vector<size_t> starts = {begin};
  const size_t parts = part_count(text.size() - begin);
  const std::string_view words = first_words(text, begin);
  for (size_t i = 1; i < parts && !words.empty(); ++i) {
    const size_t start = text.find(words, begin + (text.size() - begin) / parts * i);
    if (start == std::string_view::npos) break;
    if (start > starts.back()) starts.push_back(start);
  }
  return starts;
}

// Goes through the parts in their order and has each that ends elsewhere than the next begins read
// on. @return the last part that counts
ArrayPart& join_parts(std::vector<ArrayPart>& parts, std::span<const size_t> starts,
                      const std::function<ReadItem(size_t part)>& open) {
  size_t current = 0;
  for (size_t next = 1; next < parts.size(); ++next) {
    ArrayPart& part = parts[current];
    if (part.error) break;
    if (part.stopped_at == starts[next]) {
      current = next;
      continue;
    }
    open(next);  // forgets what was read from a beginning that is none
    if (part.stopped_at == kEnd) continue;
    part.run_on(next + 1 < starts.size() ? starts[next + 1] : kEnd);
  }
  return parts[current];
}

// The lines of one part of a text.
struct LinePart {
  std::string_view text;
  int64_t first_line = 1;
  ReadLine read{};
  std::exception_ptr error{};

  void run(const std::string& source) {
    try {
      read_lines(text, source, first_line, read);
    } catch (...) {
      error = std::current_exception();
    }
  }
};

std::vector<LinePart> cut_at_lines(std::string_view text) {
  std::vector<LinePart> parts;
  const size_t step = text.size() / part_count(text.size()) + 1;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', std::min(begin + step, text.size()) - 1);
    const size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    parts.push_back({.text = text.substr(begin, end - begin)});
    begin = end;
  }
  return parts;
}

}  // namespace

size_t part_count(size_t bytes) {
  return std::clamp<size_t>(bytes / kPartBytes, 1, kMostParts);
}

int reading_threads(size_t bytes) {
  return static_cast<int>(
      std::min(part_count(bytes), static_cast<size_t>(std::max(1, available_cores()))));
}

void read_array_in_parts(ThreadPool& pool, JsonCursor& cursor,
                         const std::function<ReadItem(size_t part)>& open) {
  cursor.enter_array();
  const std::vector<size_t> starts = guess_starts(cursor);
  std::vector<ArrayPart> parts;
  for (const size_t start : starts)
    parts.push_back({.cursor = cursor.at_item(start)});
  pool.parallel_for(std::ssize(parts), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      parts[i].read = open(i);
      parts[i].run(i + 1 < starts.size() ? starts[i + 1] : kEnd);
    }
  });
  const ArrayPart& last = join_parts(parts, starts, open);
  if (last.error) std::rethrow_exception(last.error);
  cursor.go_on_from(last.cursor);
}

void read_lines(std::string_view text, const std::string& source, int64_t first_line,
                const ReadLine& read) {
  int64_t number = first_line;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t last = line.find_last_not_of(" \t\r,");
    if (last == std::string_view::npos) continue;
    JsonCursor cursor(line.substr(0, last + 1), source, number);
    read(cursor, number);
    cursor.finish();
  }
}

void read_lines_in_parts(ThreadPool& pool, std::string_view text, const std::string& source,
                         const std::function<ReadLine(size_t part)>& open) {
  std::vector<LinePart> parts = cut_at_lines(text);
  std::vector<int64_t> lines(parts.size());
  pool.parallel_for(std::ssize(parts), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      lines[i] = std::count(parts[i].text.begin(), parts[i].text.end(), '\n');
  });
  for (size_t i = 1; i < parts.size(); ++i)
    parts[i].first_line = parts[i - 1].first_line + lines[i - 1];
  pool.parallel_for(std::ssize(parts), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      parts[i].read = open(i);
      parts[i].run(source);
    }
  });
  for (const LinePart& part : parts) {
    if (part.error) std::rethrow_exception(part.error);
  }
}

}  // namespace vila::eval
