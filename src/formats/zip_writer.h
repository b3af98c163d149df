// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace vila::formats {

/// Writes a zip file of stored members, each beginning at a multiple of 64 bytes. An owner
/// (move-only); one thread.
/// Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (the 64-bit form).
class ZipWriter {
 public:
  /// The file appears at finish(). @throws Error{insufficient_disk | failed}, as all calls.
  explicit ZipWriter(const std::filesystem::path& path);

  void add(const std::string& name, std::span<const std::byte> content);
  void add(const std::string& name, std::string_view content);
  /// Writes the directory and lets the file appear.
  void finish();

 private:
  struct Member {
    std::string name;
    uint64_t offset;  // of its local header
    uint64_t size;
    uint32_t crc32;
  };

  void append(std::string_view bytes);
  std::string directory() const;
  std::string end_of_directory(uint64_t offset, uint64_t size) const;

  AtomicFileWriter file_;
  uint64_t written_ = 0;
  std::vector<Member> members_;
};

}  // namespace vila::formats
