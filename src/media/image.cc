// SPDX-License-Identifier: Apache-2.0
#include "media/image.h"

#include <algorithm>
#include <cstdlib>

#include <sys/mman.h>

#include "base/error.h"

namespace vila::media {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLarge = 2 * kHugePage;  // below it is not worth whole pages

}  // namespace

uint8_t* allocate_pixels(size_t bytes) {
  if (bytes < kLarge) return static_cast<uint8_t*>(::operator new(bytes));
  const size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* const memory = std::aligned_alloc(kHugePage, whole);
  if (memory == nullptr) throw std::bad_alloc();
  // Advice: where the kernel has no huge pages, small ones do.
  madvise(memory, whole, MADV_HUGEPAGE);
  return static_cast<uint8_t*>(memory);
}

void free_pixels(uint8_t* memory, size_t bytes) noexcept {
  if (bytes < kLarge) {
    ::operator delete(memory);
  } else {
    std::free(memory);
  }
}

Image::Image(int64_t w, int64_t h, std::array<uint8_t, 3> colour) : Image(unwritten(w, h)) {
  if (colour == std::array<uint8_t, 3>{}) {
    std::ranges::fill(pixels, uint8_t{0});
    return;
  }
  for (size_t i = 0; i < pixels.size(); i += 3)
    std::ranges::copy(colour, &pixels[i]);
}

Image Image::unwritten(int64_t w, int64_t h) {
  VILA_CHECK(w >= 0 && h >= 0, "image of {} x {}", w, h);
  Image image;
  image.width = w;
  image.height = h;
  image.pixels.resize(static_cast<size_t>(w * h * 3));
  return image;
}

}  // namespace vila::media
