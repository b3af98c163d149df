// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "hub/digest.h"

namespace vila::hub {

/// What a blob must be in the end.
struct BlobId {
  std::string etag;  // its name in the cache, and its checksum (hub/digest.h)
  uint64_t size = 0;
};

/// The half of a download that is here: ETAG.incomplete beside the blob it will become. It stays on
/// disk whatever happens, so that the next attempt, of this or another process, goes on from its
/// end. Content is hashed as it arrives. An owner; the caller holds the blob's lock.
class PartialFile {
 public:
  /// Opens or makes it; what is there already is read once, for its checksum.
  /// @throws Error{failed | insufficient_disk}
  PartialFile(std::filesystem::path path, BlobId id);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  uint64_t size() const { return size_; }

  bool is_whole() const { return size_ == id_.size; }

  /// @throws Error{network} when more arrives than the blob has, Error{insufficient_disk | failed}.
  void append(std::span<const char> piece);

  /// Throws away what is here.
  void restart();

  /// Compares checksums, and gives the file its final name when they agree.
  /// @return "" or what is wrong: then nothing was renamed, and the content is thrown away.
  std::string finish(const std::filesystem::path& target);

 private:
  void read_existing();

  std::filesystem::path path_;
  BlobId id_;
  Digest digest_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace vila::hub
