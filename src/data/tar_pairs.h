// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/dataset.h"

namespace vila::data {

/// Image-text pairs in an uncompressed webdataset tar: the members whose names agree up to the
/// first dot make a row, e.g. 000001.jpg and 000001.txt (the caption), or 000001.json ({"text" or
/// "caption", "id"?, "concept"?}); with both, the text comes from the .txt. Other members are
/// ignored. Pictures are read from inside the tar, nothing is unpacked.
class TarPairs final : public Dataset {
 public:
  /// @throws Error{not_found}; Error{invalid_data}: not a tar, compressed, or cut short.
  explicit TarPairs(const std::filesystem::path& path);

  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }

  Sample at(int64_t row) const override;
  std::string_view raw(int64_t row) const override;

  RowPlace place(int64_t row) const override { return {path(), row, 0}; }

  const std::filesystem::path& path() const override { return file_.path(); }

  Kind kind() const override { return Kind::pairs; }

 private:
  struct Member {
    std::string name;
    int64_t offset = 0;
    int64_t size = -1;  // -1: the row has no such member
  };

  struct Row {
    std::string key;
    Member image;
    Member text;
    Member json;
  };

  void index();
  std::string_view content(const Member& member) const;

  MappedFile file_;
  std::vector<Row> rows_;
};

}  // namespace vila::data
