// SPDX-License-Identifier: Apache-2.0
#include "support/unpack.h"

#include <memory>

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

namespace vila::test {
namespace {

struct Close {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

std::string read_entry(archive* reader, archive_entry* entry) {
  std::string content(static_cast<size_t>(archive_entry_size(entry)), '\0');
  const la_ssize_t got = archive_read_data(reader, content.data(), content.size());
  VILA_CHECK(got == static_cast<la_ssize_t>(content.size()), "{}", archive_entry_pathname(entry));
  return content;
}

}  // namespace

std::map<std::string, std::string> unpack(const std::filesystem::path& archive_file) {
  const std::unique_ptr<archive, Close> reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_tar(reader.get());
  if (archive_read_open_filename(reader.get(), archive_file.c_str(), 1 << 16) != ARCHIVE_OK) {
    fail(ErrorCode::invalid_data, "{}: {}", archive_file.string(),
         archive_error_string(reader.get()));
  }
  std::map<std::string, std::string> files;
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    files.emplace(archive_entry_pathname(entry), read_entry(reader.get(), entry));
  }
  return files;
}

}  // namespace vila::test
