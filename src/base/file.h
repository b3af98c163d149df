// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace vila {

/// Whole content of a file. @throws Error{not_found} naming the path and the system's reason;
/// Error{invalid_data} when it is larger than `max_bytes`.
std::string read_file(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 31);

/// Writes `path` so that readers see the old content or the whole new one: a temporary file beside
/// it is written, flushed to disk and renamed. Nothing is left behind on failure.
/// @throws Error{insufficient_disk} when the disk is full, Error{failed} otherwise.
void write_file(const std::filesystem::path& path, std::string_view content);

/// The same in pieces: append any number of times, then commit(). Without commit() the target stays
/// as it was. An owner (move-only); one thread.
class AtomicFileWriter {
 public:
  explicit AtomicFileWriter(std::filesystem::path path);
  ~AtomicFileWriter();
  AtomicFileWriter(const AtomicFileWriter&) = delete;
  AtomicFileWriter& operator=(const AtomicFileWriter&) = delete;

  /// @throws Error{insufficient_disk | failed}
  void append(std::string_view bytes);
  void append(std::span<const std::byte> bytes);
  /// Replaces bytes that were appended before: [offset, offset + size) of the file.
  void overwrite(uint64_t offset, std::string_view bytes);
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

/// A read-only memory map of a whole file. Immutable; an owner (move-only).
class MappedFile {
 public:
  /// @throws Error{not_found} naming path and reason.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace vila
