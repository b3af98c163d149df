// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/json_dataset.h"
#include "data/tar_pairs.h"

namespace vila::data {
namespace {

namespace fs = std::filesystem;

struct KindRow {
  Kind kind;
  const char* name;
  const char* member;  // tells rows of this kind apart from the rows below
};

constexpr KindRow kKinds[] = {
    {Kind::conversations, "conversations", "conversations"},
    {Kind::conversations, "conversations", "prompt"},
    {Kind::documents, "documents", "text_list"},
    {Kind::pairs, "pairs", "image"},
    {Kind::text, "text", "text"},
};

/// Several files of one kind as one data set.
class Concatenation final : public Dataset {
 public:
  Concatenation(fs::path path, Kind kind, std::vector<std::unique_ptr<Dataset>> parts)
      : path_(std::move(path)), kind_(kind), parts_(std::move(parts)) {
    for (const auto& part : parts_) {
      begins_.push_back(size_);
      size_ += part->size();
    }
  }

  int64_t size() const override { return size_; }

  Sample at(int64_t row) const override { return part(row).at(row_in_part(row)); }

  std::string_view raw(int64_t row) const override { return part(row).raw(row_in_part(row)); }

  RowPlace place(int64_t row) const override { return part(row).place(row_in_part(row)); }

  const fs::path& path() const override { return path_; }

  Kind kind() const override { return kind_; }

 private:
  size_t part_of(int64_t row) const {
    VILA_CHECK(row >= 0 && row < size_, "row {} of {}", row, size_);
    return static_cast<size_t>(std::ranges::upper_bound(begins_, row) - begins_.begin()) - 1;
  }

  const Dataset& part(int64_t row) const { return *parts_[part_of(row)]; }

  int64_t row_in_part(int64_t row) const { return row - begins_[part_of(row)]; }

  fs::path path_;
  Kind kind_;
  std::vector<std::unique_ptr<Dataset>> parts_;
  std::vector<int64_t> begins_;  // first row of each part
  int64_t size_ = 0;
};

std::vector<fs::path> data_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    const bool is_data = extension == ".jsonl" || extension == ".json" || extension == ".tar";
    if (entry.is_regular_file() && is_data) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  if (files.empty()) {
    fail(ErrorCode::not_found, "{}: expected .jsonl, .json or .tar files, found none",
         folder.string());
  }
  return files;
}

std::unique_ptr<Dataset> open_file(const fs::path& path, Kind kind, const fs::path& image_root) {
  if (path.extension() == ".tar") {
    if (kind != Kind::pairs) {
      fail(ErrorCode::invalid_data, "{}: a tar holds pairs, not {}", path.string(),
           kind_name(kind));
    }
    return std::make_unique<TarPairs>(path);
  }
  return std::make_unique<JsonDataset>(path, kind,
                                       image_root.empty() ? path.parent_path() : image_root);
}

void require_path(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    fail(ErrorCode::not_found, "{}: no such file or folder", path.string());
  }
}

}  // namespace

std::string RowPlace::name() const {
  if (line == 0) return fmt::format("{} (row {})", file.string(), row);
  return fmt::format("{}:{} (row {})", file.string(), line, row);
}

Kind parse_kind(const std::string& name) {
  for (const KindRow& row : kKinds) {
    if (name == row.name) return row.kind;
  }
  fail(ErrorCode::invalid_argument,
       "kind of data: expected pairs, documents, conversations or text, found \"{}\"", name);
}

std::string kind_name(Kind kind) {
  for (const KindRow& row : kKinds) {
    if (row.kind == kind) return row.name;
  }
  VILA_CHECK(false, "kind {}", static_cast<int>(kind));
  return "";
}

Kind detect_kind(const fs::path& path) {
  require_path(path);
  const fs::path file = fs::is_directory(path) ? data_files(path).front() : path;
  if (file.extension() == ".tar") return Kind::pairs;
  const RowIndex index(file);
  if (index.size() == 0) {
    fail(ErrorCode::invalid_data, "{}: expected rows, found none", file.string());
  }
  const Json row = parse_json(index.text(0), file.string());
  for (const KindRow& kind : kKinds) {
    if (row.is_object() && row.contains(kind.member)) return kind.kind;
  }
  fail(ErrorCode::invalid_data,
       "{}:{}: expected a row with \"conversations\", \"prompt\", \"text_list\", \"image\" "
       "or \"text\"",
       file.string(), index.line(0));
}

std::unique_ptr<Dataset> open_dataset(const fs::path& path, Kind kind, const fs::path& image_root) {
  require_path(path);
  if (!fs::is_directory(path)) return open_file(path, kind, image_root);
  std::vector<std::unique_ptr<Dataset>> parts;
  for (const fs::path& file : data_files(path))
    parts.push_back(open_file(file, kind, image_root));
  return std::make_unique<Concatenation>(path, kind, std::move(parts));
}

}  // namespace vila::data
