// SPDX-License-Identifier: Apache-2.0
#include "data/nano/package.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <optional>

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"
#include "base/file.h"

namespace vila::data::nano {

namespace {

namespace fs = std::filesystem;

struct ArchiveDeleter {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

using ArchivePtr = std::unique_ptr<archive, ArchiveDeleter>;

std::string read_entry(archive* reader, const std::string& source) {
  std::string content;
  std::array<char, 1 << 16> buffer;
  while (true) {
    const auto count = archive_read_data(reader, buffer.data(), buffer.size());
    if (count == 0) return content;
    if (count < 0) {
      const char* reason = archive_error_string(reader);
      fail(ErrorCode::invalid_data, "{}: cannot decompress: {}", source,
           reason ? reason : "damaged");
    }
    content.append(buffer.data(), static_cast<size_t>(count));
  }
}

std::string file_stem_of(const std::string& package) {
  std::string stem;
  for (const char c : package) {
    if (c == '@') continue;
    stem += c == '/' ? '-' : c;
  }
  return stem;
}

/// Whether `name` is STEM-VERSION.tgz, where a version starts with a digit: "noto" is not
/// "noto-v1".
bool is_npm_pack(const std::string& name, const std::string& stem) {
  return name.size() > stem.size() + 1 && name.starts_with(stem + "-") && name.ends_with(".tgz") &&
         std::isdigit(static_cast<unsigned char>(name[stem.size() + 1])) != 0;
}

std::optional<std::string> member_of_pack(const fs::path& pack, const std::string& member) {
  const ArchivePtr reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_tar(reader.get());
  if (archive_read_open_filename(reader.get(), pack.c_str(), 1 << 16) != ARCHIVE_OK) {
    fail(ErrorCode::invalid_data, "{}: expected a gzipped tar as npm packs it", pack.string());
  }
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    if (archive_entry_pathname(entry) == "package/" + member) {
      return read_entry(reader.get(), pack.string());
    }
  }
  return std::nullopt;
}

}  // namespace

fs::path require_debian(const fs::path& path, const std::string& package) {
  if (!fs::exists(path)) {
    fail(ErrorCode::not_found,
         "data build nano: {} is missing; install the Debian package: sudo apt-get install {}",
         path.string(), package);
  }
  return path;
}

std::string read_npm_member(const fs::path& folder, const std::string& package,
                            const std::string& member) {
  const std::string stem = file_stem_of(package);
  for (const fs::path& candidate : {folder / stem / member, folder / stem / "package" / member,
                                    folder / "node_modules" / package / member}) {
    if (fs::exists(candidate)) return read_file(candidate);
  }
  for (const fs::path& pack : files_below(folder, ".tgz")) {
    if (!is_npm_pack(pack.filename().string(), stem)) continue;
    if (auto text = member_of_pack(pack, member)) return std::move(*text);
  }
  fail(ErrorCode::not_found,
       "data build nano: {} of the npm package {} is not below '{}'; run there: npm pack {}",
       member, package, folder.string(), package);
}

std::string decompress(const std::string& bytes, const std::string& source) {
  const ArchivePtr reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    const char* reason = archive_error_string(reader.get());
    fail(ErrorCode::invalid_data, "{}: cannot decompress: {}", source, reason ? reason : "empty");
  }
  return read_entry(reader.get(), source);
}

std::vector<fs::path> files_below(const fs::path& folder, const std::string& suffix) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().string().ends_with(suffix)) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace vila::data::nano
