// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "data/dataset.h"
#include "data/row_index.h"

namespace vila::data {

/// A data set in one JSONL or JSON file.
class JsonDataset final : public Dataset {
 public:
  /// @throws Error{not_found | invalid_data}
  JsonDataset(const std::filesystem::path& path, Kind kind, std::filesystem::path image_root);

  int64_t size() const override { return index_.size(); }

  Sample at(int64_t row) const override;

  std::string_view raw(int64_t row) const override { return index_.text(row); }

  RowPlace place(int64_t row) const override { return {path(), row, index_.line(row)}; }

  const std::filesystem::path& path() const override { return index_.path(); }

  Kind kind() const override { return kind_; }

 private:
  RowIndex index_;
  Kind kind_;
  std::filesystem::path image_root_;
};

}  // namespace vila::data
