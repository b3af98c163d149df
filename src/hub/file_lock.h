// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

namespace vila::hub {

/// The right to be the only one, among processes that ask, to touch what a lock file stands for:
/// flock on it, as huggingface_hub does. The file itself stays. An owner (move-only).
class FileLock {
 public:
  /// Nothing when another process holds it. Makes the file and its folder where they are absent.
  /// @throws Error{failed} when it cannot be made.
  static std::optional<FileLock> try_take(const std::filesystem::path& path);

  /// Waits for it. @param on_wait  called about ten times a second meanwhile; may throw.
  static FileLock take(const std::filesystem::path& path, const std::function<void()>& on_wait);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace vila::hub
