// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

namespace vila {

/// Owner (move-only) of `size` uninitialised bytes at a 64-byte boundary. From 4 MiB on it is a
/// mapping of its own, in huge pages where the system has them: freed, it goes back to the system
/// at once, whatever was allocated after it.
/// @throws Error{insufficient_memory} when the allocation fails.
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size);

  std::byte* data() noexcept { return data_.get(); }

  const std::byte* data() const noexcept { return data_.get(); }

  size_t size() const noexcept { return size_; }

 private:
  struct Free {
    size_t mapped;  // bytes of the mapping; 0: from the heap

    Free() : mapped(0) {}

    explicit Free(size_t bytes) : mapped(bytes) {}

    void operator()(std::byte* data) const noexcept;
  };

  std::unique_ptr<std::byte[], Free> data_;
  size_t size_ = 0;
};

}  // namespace vila
