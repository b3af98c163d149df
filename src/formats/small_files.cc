// SPDX-License-Identifier: Apache-2.0
#include "formats/small_files.h"

#include <cerrno>
#include <cstring>

#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "formats/model_package.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

/// A fresh folder that only this user may read, removed with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "vila-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      fail(ErrorCode::failed, "{}: could not make a folder for the model's small files: {}", name,
           std::strerror(errno));
    }
    path_ = name;
  }

  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

fs::path path_inside(const fs::path& folder, const std::string& name) {
  const fs::path path(name);
  for (const fs::path& step : path) {
    if (step == ".." || path.is_absolute()) {
      fail(ErrorCode::invalid_model, "\"{}\": expected a path inside the model's folder", name);
    }
  }
  return folder / path;
}

void write_small_files(const fs::path& folder, const SmallFiles& files) {
  for (const auto& [name, content] : files) {
    const fs::path path = path_inside(folder, name);
    fs::create_directories(path.parent_path());
    write_file(path, content);
  }
}

ModelFolder unfold(const SmallFiles& files) {
  auto folder = std::make_shared<const TemporaryFolder>();
  write_small_files(folder->path(), files);
  const fs::path path = folder->path();
  return {path, std::move(folder)};
}

ModelFolder open_model_folder(const ModelSource& source) {
  const fs::path& model = source.folder;
  const FolderKind kind = folder_kind(model);
  if (kind != FolderKind::whole && !has_tokenizer(model))
    return open_model_folder(base_of(source, kind));
  if (fs::is_directory(model)) return {model};
  if (is_package_file(model)) return unfold(open_package(source).files);
  return {model.parent_path()};
}

}  // namespace vila::formats
