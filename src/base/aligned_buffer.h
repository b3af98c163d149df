// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

namespace vila {

/// Owner (move-only) of `size` uninitialised bytes at a 64-byte boundary.
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
    void operator()(std::byte* data) const noexcept;
  };

  std::unique_ptr<std::byte[], Free> data_;
  size_t size_ = 0;
};

}  // namespace vila
