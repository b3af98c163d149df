// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "eval/json_cursor.h"

namespace vila::eval {

// Large files of JSON read in parts, side by side, with the results and the errors of reading them
// from the first byte to the last.

/// How many parts a file is read in at most, by its size alone, so that results do not depend on
/// the number of threads: 1 for a small one.
size_t part_count(size_t bytes);

/// As many threads as a file of that size is worth.
int reading_threads(size_t bytes);

/// Reads one item of an array; the cursor is at its beginning.
using ReadItem = std::function<void(JsonCursor& item)>;

/// Reads one line; the cursor has the line alone and names its number in messages.
using ReadLine = std::function<void(JsonCursor& line, int64_t number)>;

/// Reads the array under `cursor` and leaves the cursor behind it. `open(part)` is called for each
/// part, 0 to part_count() - 1, and gives what reads the part's items in their order; it is called
/// again where what it gave before is to be forgotten, so that it must begin by emptying the part's
/// results. Parts follow one another as the array does; some may stay empty.
///
/// Where parts begin is guessed: at the text that the first item begins with. A guess counts only
/// if the part in front of it ends exactly there; if not, that part reads on. So an object inside
/// an item that begins as items do costs time and nothing else.
/// @throws the Error that reading alone would meet first.
void read_array_in_parts(ThreadPool& pool, JsonCursor& cursor,
                         const std::function<ReadItem(size_t part)>& open);

/// Calls `read` on each line of JSONL that has more than white space, from first to last: the plain
/// way. Carriage returns and (as in SEED-Bench's own files) a comma behind an object are passed
/// over, a byte order mark too.
/// @param first_line  number of the text's first line in `source`
/// @throws Error{invalid_data} naming source and line
void read_lines(std::string_view text, const std::string& source, int64_t first_line,
                const ReadLine& read);

/// The same in parts.
/// @throws the Error that reading alone would meet first.
void read_lines_in_parts(ThreadPool& pool, std::string_view text, const std::string& source,
                         const std::function<ReadLine(size_t part)>& open);

}  // namespace vila::eval
