// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace vila::data {

/// The rows of a JSON text file without parsing them: the lines of JSONL (blank ones skipped,
/// "\r\n" taken as "\n"), or the elements of one JSON array, told apart by the first character. A
/// byte order mark is skipped. The file stays mapped; an index costs 16 bytes per row. An owner
/// (move-only), immutable.
class RowIndex {
 public:
  /// @throws Error{not_found}; Error{invalid_data} for an array that does not close or has text
  ///         behind it, naming the line.
  explicit RowIndex(const std::filesystem::path& path);

  int64_t size() const noexcept { return static_cast<int64_t>(rows_.size()); }

  /// Text of a row, blanks around it removed. @pre 0 <= row < size()
  std::string_view text(int64_t row) const;
  /// Line on which the row begins, from 1.
  int64_t line(int64_t row) const;

  const std::filesystem::path& path() const noexcept { return file_.path(); }

 private:
  struct Row {
    int64_t offset = 0;
    uint32_t size = 0;
    uint32_t line = 0;
  };

  std::string_view content() const noexcept;
  void index_lines(size_t begin);
  void index_array(size_t begin);
  void add(size_t begin, size_t end, size_t line);

  MappedFile file_;
  std::vector<Row> rows_;
};

}  // namespace vila::data
