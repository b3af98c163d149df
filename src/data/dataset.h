// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "data/sample.h"

namespace vila::data {

/// Where a row stands in the user's files. A value.
struct RowPlace {
  std::filesystem::path file;
  int64_t row = 0;   // within the file, from 0
  int64_t line = 0;  // where the row begins, from 1; 0: the file has no lines (a tar)

  /// "captions.jsonl:12 (row 11)", or "set.tar (row 11)".
  std::string name() const;
};

/// Rows of one data set by number. Immutable, thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// @pre 0 <= row < size(). @throws Error{invalid_data} naming file and row.
  virtual Sample at(int64_t row) const = 0;
  /// The row as it stands in the file, unchecked; of a tar the text member. Lives as long as this.
  virtual std::string_view raw(int64_t row) const = 0;
  virtual RowPlace place(int64_t row) const = 0;
  virtual const std::filesystem::path& path() const = 0;
  virtual Kind kind() const = 0;
};

/// "pairs" | "documents" | "conversations" | "text". @throws Error{invalid_argument}
Kind parse_kind(const std::string& name);
std::string kind_name(Kind kind);

/// The kind that the first row's members tell. @throws Error{not_found | invalid_data} when they
/// fit none.
Kind detect_kind(const std::filesystem::path& path);

/// Opens one file, or a folder: its .jsonl, .json and .tar files in the order of their names, all
/// of one kind. Picture paths are relative to `image_root`, or where it is empty to the file's
/// folder. Rows are indexed once, not held: a file is mapped, a row is parsed when it is asked for.
/// @throws Error{not_found | invalid_data}
std::unique_ptr<Dataset> open_dataset(const std::filesystem::path& path, Kind kind,
                                      const std::filesystem::path& image_root = {});

}  // namespace vila::data
