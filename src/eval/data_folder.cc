// SPDX-License-Identifier: Apache-2.0
#include "eval/data_folder.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 4;
constexpr std::array kPictureExtensions = {".jpg", ".jpeg", ".png", ".JPG", ".PNG", ".webp"};

constexpr std::array kVideoExtensions = {".mp4", ".mkv", ".webm", ".avi", ".mov",
                                         ".m4v", ".MP4", ".AVI",  ".MOV", ".flv"};

bool has_extension_of(const fs::path& path, std::span<const char* const> extensions) {
  const std::string extension = path.extension().string();
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

bool is_picture(const fs::path& path) {
  return has_extension_of(path, kPictureExtensions);
}

bool matches(std::string_view name, std::string_view form) {
  if (form.starts_with('*')) return name.ends_with(form.substr(1));
  if (form.ends_with('*')) return name.starts_with(form.substr(0, form.size() - 1));
  return name == form;
}

void sort_by_depth(std::vector<fs::path>& paths) {
  std::sort(paths.begin(), paths.end(), [](const fs::path& a, const fs::path& b) {
    const auto depth_a = std::distance(a.begin(), a.end());
    const auto depth_b = std::distance(b.begin(), b.end());
    return depth_a != depth_b ? depth_a < depth_b : a < b;
  });
}

}  // namespace

DataFolder::DataFolder(fs::path root) : root_(std::move(root)) {
  if (!fs::is_directory(root_)) {
    fail(ErrorCode::not_found, "{}: expected a folder with the benchmark's files, found none",
         root_.string());
  }
  folders_.push_back(root_);
  for (auto entry =
           fs::recursive_directory_iterator(root_, fs::directory_options::skip_permission_denied);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->is_directory()) {
      folders_.push_back(entry->path());
      if (entry.depth() + 1 >= kMaxDepth) entry.disable_recursion_pending();
    } else if (!is_picture(entry->path())) {
      files_.push_back(entry->path());
    }
  }
  sort_by_depth(files_);
  sort_by_depth(folders_);
  for (const fs::path& file : files_) {
    if (!has_extension_of(file, kVideoExtensions)) continue;
    videos_.emplace(file.filename().string(), file);
    videos_.emplace(file.stem().string(), file);
  }
}

std::optional<fs::path> DataFolder::find(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    for (const fs::path& file : files_) {
      if (matches(file.filename().string(), name)) return file;
    }
  }
  return std::nullopt;
}

fs::path DataFolder::require(std::string_view what,
                             std::initializer_list<std::string_view> names) const {
  if (auto found = find(names)) return *std::move(found);
  fail(ErrorCode::not_found, "{}: expected {} ({}), found none; put the published file there",
       root_.string(), what, fmt::join(names, " or "));
}

std::vector<fs::path> DataFolder::all(std::string_view name) const {
  std::vector<fs::path> found;
  for (const fs::path& file : files_) {
    if (matches(file.filename().string(), name)) found.push_back(file);
  }
  return found;
}

fs::path DataFolder::picture(const std::string& name, const std::string& row) const {
  const fs::path relative(name);
  if (relative.is_absolute() || name.find("..") != std::string::npos) {
    fail(ErrorCode::invalid_data, "{}: expected a picture below {}, found \"{}\"", row,
         root_.string(), name);
  }
  for (const fs::path& folder : folders_) {
    if (fs::is_regular_file(folder / relative)) return folder / relative;
  }
  fail(ErrorCode::not_found, "{}: expected the picture {} below {}, found none", row, name,
       root_.string());
}

std::optional<fs::path> DataFolder::find_video(const std::string& name) const {
  const auto found = videos_.find(std::string_view(name).substr(name.rfind('/') + 1));
  if (found == videos_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> DataFolder::pictures_in(const std::string& name) const {
  const fs::path relative(name);
  std::vector<std::string> names;
  if (name.empty() || relative.is_absolute() || name.find("..") != std::string::npos) return names;
  for (const fs::path& folder : folders_) {
    if (!fs::is_directory(folder / relative)) continue;
    for (const auto& entry : fs::directory_iterator(folder / relative)) {
      if (is_picture(entry.path())) names.push_back(entry.path().filename().string());
    }
    if (!names.empty()) break;
  }
  return names;
}

void read_jsonl(const fs::path& path, const ReadLine& read) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  read_lines({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string(), 1, read);
}

}  // namespace vila::eval
