// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace vila::hub {

/// Hashes content as the Hub names it: by SHA-256 (64 digits, files of Git LFS) or by git's id of a
/// blob (40 digits: SHA-1 of "blob SIZE\0" and the content). An owner (move-only).
class Digest {
 public:
  /// @param etag  the expected value; of another form, nothing is hashed.
  /// @param size  bytes of the whole content
  Digest(std::string_view etag, uint64_t size);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(std::span<const char> piece);

  /// Ends the hashing. @return the digits found; "" where nothing was hashed.
  std::string finish();

  /// Whether etags of this form are checked.
  static bool can_check(std::string_view etag) noexcept;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace vila::hub
