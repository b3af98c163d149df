// SPDX-License-Identifier: Apache-2.0
#include "data/tar_pairs.h"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include <archive.h>
#include <archive_entry.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "data/json_row.h"
#include "data/row_parser.h"

namespace vila::data {
namespace {

struct ArchiveCloser {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

using ArchiveReader = std::unique_ptr<archive, ArchiveCloser>;

/// A reader of plain tar over mapped memory; with the memory as its one block, the data blocks that
/// it hands out point into the map, which gives their offsets.
ArchiveReader open_tar(const MappedFile& file) {
  ArchiveReader reader(archive_read_new());
  VILA_CHECK(reader != nullptr, "archive_read_new");
  archive_read_support_format_tar(reader.get());
  const auto bytes = file.bytes();
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    fail(ErrorCode::invalid_data, "{}: expected an uncompressed tar: {}", file.path().string(),
         archive_error_string(reader.get()));
  }
  return reader;
}

int64_t data_offset(archive* reader, const std::string& name, int64_t size,
                    const MappedFile& file) {
  if (size == 0) return 0;
  const void* block = nullptr;
  size_t block_size = 0;
  la_int64_t skipped = 0;
  const int status = archive_read_data_block(reader, &block, &block_size, &skipped);
  const auto* begin = file.bytes().data();
  const auto* found = static_cast<const std::byte*>(block);
  const bool inside = status == ARCHIVE_OK && skipped == 0 && std::less_equal<>{}(begin, found) &&
                      std::less<>{}(found, begin + file.bytes().size()) &&
                      static_cast<int64_t>(block_size) >= size;
  if (!inside) {
    fail(ErrorCode::invalid_data,
         "{}: member {}: expected {} bytes in one piece; is the tar cut short or sparse?",
         file.path().string(), name, size);
  }
  return found - begin;
}

/// Extension in lower case, from the first dot of the base name: "a/01.seg.PNG" gives "seg.png".
std::string extension_of(const std::string& name, size_t dot) {
  std::string extension = name.substr(dot + 1);
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return extension;
}

bool is_picture(const std::string& extension) {
  constexpr std::string_view kExtensions[] = {"jpg", "jpeg", "png", "webp", "gif", "bmp", "ppm"};
  return std::ranges::find(kExtensions, extension) != std::end(kExtensions);
}

std::string_view without_line_end(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r'))
    text.remove_suffix(1);
  return text;
}

}  // namespace

TarPairs::TarPairs(const std::filesystem::path& path) : file_(path) {
  index();
}

void TarPairs::index() {
  const ArchiveReader reader = open_tar(file_);
  std::unordered_map<std::string, size_t> row_of_key;
  archive_entry* entry = nullptr;
  int status = ARCHIVE_OK;
  while ((status = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    const char* spelled = archive_entry_pathname(entry);
    const std::string name = spelled == nullptr ? "" : spelled;
    const size_t slash = name.rfind('/');
    const size_t dot = name.find('.', slash == std::string::npos ? 0 : slash + 1);
    if (dot == std::string::npos) continue;
    const std::string extension = extension_of(name, dot);
    const bool picture = is_picture(extension);
    if (!picture && extension != "txt" && extension != "json") continue;
    const std::string key = name.substr(0, dot);
    const auto [found, is_new] = row_of_key.try_emplace(key, rows_.size());
    if (is_new) rows_.push_back({key, {}, {}, {}});
    Row& row = rows_[found->second];
    Member& member = picture ? row.image : extension == "txt" ? row.text : row.json;
    const int64_t size = archive_entry_size(entry);
    member = {name, data_offset(reader.get(), name, size, file_), size};
  }
  if (status != ARCHIVE_EOF) {
    fail(ErrorCode::invalid_data, "{}: expected an uncompressed tar: {}", path().string(),
         archive_error_string(reader.get()));
  }
}

std::string_view TarPairs::content(const Member& member) const {
  const auto bytes = file_.bytes().subspan(static_cast<size_t>(member.offset),
                                           static_cast<size_t>(std::max<int64_t>(member.size, 0)));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view TarPairs::raw(int64_t row) const {
  VILA_CHECK(row >= 0 && row < size(), "row {} of {}", row, size());
  const Row& found = rows_[static_cast<size_t>(row)];
  return content(found.text.size >= 0 ? found.text : found.json);
}

Sample TarPairs::at(int64_t row) const {
  const std::string where = place(row).name();
  const std::string_view text = raw(row);
  const Row& found = rows_[static_cast<size_t>(row)];
  if (found.image.size < 0 || (found.text.size < 0 && found.json.size < 0)) {
    fail(ErrorCode::invalid_data, "{}: {}: expected a picture and a .txt or .json, found only {}",
         where, found.key, found.image.size < 0 ? "text" : found.image.name);
  }
  if (!is_valid_utf8(text)) {
    fail(ErrorCode::invalid_data, "{}: {}: expected UTF-8, found malformed bytes", where,
         found.key);
  }
  Json members = found.json.size >= 0 ? parse_json(content(found.json), where) : Json::object();
  const std::filesystem::path no_root;
  const RowContext context{where, no_root};
  require_object(members, context);
  if (found.text.size >= 0) members["text"] = without_line_end(text);
  members["image"] = found.image.name;
  Sample sample = parse_pair(members, context);
  if (sample.id.empty()) sample.id = found.key;
  sample.images.front().path = path();
  sample.images.front().offset = found.image.offset;
  sample.images.front().size = found.image.size;
  sample.images.front().member = found.image.name;
  return sample;
}

}  // namespace vila::data
