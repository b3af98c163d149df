// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace vila::media {

/// Memory for `bytes` pixel values; large ones in huge pages, whose first writing costs the kernel
/// a fifth. @throws std::bad_alloc
uint8_t* allocate_pixels(size_t bytes);
void free_pixels(uint8_t* memory, size_t bytes) noexcept;

/// Takes memory from allocate_pixels() and leaves new values unwritten: a decoder writes every one
/// of them, and clearing 12 megapixels first takes half as long as decoding them.
template <typename T>
struct PixelAllocator {
  using value_type = T;
  static_assert(sizeof(T) == 1);

  PixelAllocator() = default;

  template <typename U>
  explicit PixelAllocator(const PixelAllocator<U>&) noexcept {}

  T* allocate(size_t count) { return reinterpret_cast<T*>(allocate_pixels(count)); }

  void deallocate(T* memory, size_t count) noexcept {
    free_pixels(reinterpret_cast<uint8_t*>(memory), count);
  }

  template <typename U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }

  template <typename U, typename V>
  void construct(U* place, V&& value) noexcept {
    ::new (static_cast<void*>(place)) U(std::forward<V>(value));
  }

  friend bool operator==(const PixelAllocator&, const PixelAllocator&) noexcept { return true; }
};

using Pixels = std::vector<uint8_t, PixelAllocator<uint8_t>>;

/// 8-bit RGB picture, [height, width, 3] row-major. A value.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  Pixels pixels;

  Image() = default;
  Image(int64_t w, int64_t h, std::array<uint8_t, 3> colour = {0, 0, 0});

  /// One whose every pixel the caller is about to write.
  static Image unwritten(int64_t w, int64_t h);

  const uint8_t* at(int64_t x, int64_t y) const {
    return &pixels[static_cast<size_t>((y * width + x) * 3)];
  }

  uint8_t* at(int64_t x, int64_t y) { return &pixels[static_cast<size_t>((y * width + x) * 3)]; }
};

}  // namespace vila::media
