// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "data/image_source.h"
#include "media/image_processor.h"

namespace vila::train {

/// A file of `count` rows of equal size that is computed once and mapped ever after. Immutable,
/// thread-safe.
class RowCache {
 public:
  /// Bytes of the rows [begin, end).
  using Builder = std::function<std::string(int64_t begin, int64_t end)>;

  /// Maps `path` where it has the right size; else builds it, in blocks of `block` rows.
  /// @throws what the builder throws; Error{insufficient_disk}.
  RowCache(const std::filesystem::path& path, int64_t count, int64_t row_bytes, int64_t block,
           const Builder& builder);

  std::span<const std::byte> row(int64_t index) const;

  int64_t count() const { return count_; }

 private:
  int64_t count_;
  int64_t row_bytes_;
  std::unique_ptr<MappedFile> file_;
};

/// Decoded pictures at the tower's size, u8 [S, S, 3], by path: PNG and resampling cost more than a
/// training step, so they are paid once. Immutable, thread-safe.
class ImageCache {
 public:
  /// @param images  all that may be asked for; duplicates are fine.
  ImageCache(const std::filesystem::path& folder, std::vector<data::ImageSource> images,
             const media::ProcessorConfig& config, const LogSink& log);

  /// @throws Bug when the picture was not among `images`.
  int64_t index(const data::ImageSource& image) const;

  std::span<const std::byte> pixels(int64_t index) const { return rows_->row(index); }

  int64_t count() const { return static_cast<int64_t>(names_.size()); }

  int64_t side() const { return side_; }

  /// Of paths, file sizes, times and geometry: changes when the pictures may have.
  uint64_t checksum() const { return checksum_; }

 private:
  std::vector<std::string> names_;  // sorted
  int64_t side_;
  uint64_t checksum_;
  std::unique_ptr<RowCache> rows_;
};

/// FNV-1a, to name cache files.
uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed = 14695981039346656037ULL);
uint64_t checksum(std::string_view text, uint64_t seed = 14695981039346656037ULL);

}  // namespace vila::train
