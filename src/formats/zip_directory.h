// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

namespace vila::formats {

/// Where the content of one member of a zip file lies: stored as it is, never compressed.
struct ZipEntry {
  uint64_t offset = 0;  // of the content, from the start of the file
  uint64_t size = 0;
  uint32_t crc32 = 0;  // 0: the writer recorded none
};

using ZipDirectory = std::map<std::string, ZipEntry, std::less<>>;

/// Reads the directory of a zip file, also of the 64-bit form, and checks it: members are stored,
/// not encrypted, lie inside the file, do not overlap, and their local headers bear their names.
/// Content is not touched.
/// @throws Error{invalid_model} naming `source` and member.
/// Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3. See docs/formats.md.
ZipDirectory read_zip_directory(std::span<const std::byte> file, const std::string& source);

/// Compares the content of a member with its recorded checksum, if there is one.
/// @throws Error{invalid_model} naming `source` and `name`.
void check_zip_entry(std::span<const std::byte> content, const ZipEntry& entry,
                     const std::string& name, const std::string& source);

}  // namespace vila::formats
