// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "base/aligned_buffer.h"

namespace vila {

/// Bump allocator of one step's activations. An owner (move-only); one thread.
///
/// Nothing it handed out may outlive the next reset(); under AddressSanitizer released memory is
/// poisoned, so that a breach is reported. It grows by whole blocks and merges them at reset(), so
/// that a repeated step allocates nothing.
class Arena {
 public:
  explicit Arena(size_t initial_bytes = 0);
  ~Arena();
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;

  /// `size` uninitialised bytes, 64-byte aligned. @throws Error{insufficient_memory}
  std::byte* allocate(size_t size);

  /// A point to which rewind() can go back, freeing what was allocated since.
  struct Mark {
    size_t block = 0;
    size_t used = 0;
    size_t total = 0;
  };

  Mark mark() const noexcept { return {current_, used_, total_}; }

  void rewind(const Mark& mark) noexcept;

  /// Frees all, keeping the memory (as one block).
  void reset();

  /// Largest number of bytes in use at once so far.
  size_t high_water() const noexcept { return high_water_; }

 private:
  std::vector<AlignedBuffer> blocks_;
  size_t current_ = 0;  // block that allocations come from
  size_t used_ = 0;     // bytes used in it
  size_t total_ = 0;    // bytes in use in all blocks
  size_t high_water_ = 0;
};

/// Rewinds an arena at the end of a scope.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}

  ~ArenaScope() { arena_.rewind(mark_); }

  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace vila
