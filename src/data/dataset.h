// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/sample.h"

namespace vila::data {

/// Rows of one data set by number. Immutable, thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// @throws Error{invalid_data} naming file and row.
  virtual Sample at(int64_t row) const = 0;
  virtual const std::filesystem::path& path() const = 0;
  virtual Kind kind() const = 0;
};

/// "pairs" | "documents" | "conversations" | "text". @throws Error{invalid_argument}
Kind parse_kind(const std::string& name);
std::string kind_name(Kind kind);

/// Opens one file (or a folder of files of one kind). Picture paths are relative to `image_root`, or
/// where it is empty to the file's folder. The rows of JSONL files are indexed once, not held.
/// @throws Error{not_found | invalid_data}
std::unique_ptr<Dataset> open_dataset(const std::filesystem::path& path, Kind kind,
                                      const std::filesystem::path& image_root = {});

}  // namespace vila::data
