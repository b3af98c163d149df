// SPDX-License-Identifier: Apache-2.0
#include "support/xz_lines.h"

#include <array>
#include <memory>
#include <sstream>

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

namespace vila::test {
namespace {

struct Close {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

std::string read_all(const std::filesystem::path& path) {
  const std::unique_ptr<archive, Close> reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  std::string content;
  std::array<char, 1 << 16> block;
  la_ssize_t got = archive_read_open_filename(reader.get(), path.c_str(), block.size());
  if (got == ARCHIVE_OK) got = archive_read_next_header(reader.get(), &entry);
  if (got == ARCHIVE_OK) {
    while ((got = archive_read_data(reader.get(), block.data(), block.size())) > 0) {
      content.append(block.data(), static_cast<size_t>(got));
    }
  }
  if (got < 0) {
    fail(ErrorCode::invalid_data, "{}: {}", path.string(), archive_error_string(reader.get()));
  }
  return content;
}

}  // namespace

std::vector<std::string> read_xz_lines(const std::filesystem::path& path) {
  std::istringstream content(read_all(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(content, line);)
    lines.push_back(std::move(line));
  return lines;
}

}  // namespace vila::test
