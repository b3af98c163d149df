// SPDX-License-Identifier: Apache-2.0
#include "base/aligned_buffer.h"

#include <new>

#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/numeric.h"

namespace vila {
namespace {

// Of x86 and, with pages of 4 KiB, of ARM; elsewhere the kernel makes of it what it can.
constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kWorthMapping = 2 * kHugePage;

std::byte* allocate(size_t size) {
  return static_cast<std::byte*>(
      ::operator new (size, std::align_val_t{AlignedBuffer::kAlignment}, std::nothrow));
}

/// A mapping that begins at a huge page and asks for such pages: weights are read from end to end
/// for each token, and with pages of 4 KiB the CPU spends a part of that time on translating
/// addresses. nullptr: no memory. @param size  whole pages
std::byte* map(size_t size) {
  const size_t reserved = size + static_cast<size_t>(kHugePage);
  void* memory =
      ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* first = static_cast<std::byte*>(memory);
  const auto address = reinterpret_cast<int64_t>(memory);
  const auto before = static_cast<size_t>(round_up(address, kHugePage) - address);
  if (before > 0) ::munmap(first, before);
  ::munmap(first + before + size, reserved - before - size);
  ::madvise(first + before, size, MADV_HUGEPAGE);
  return first + before;
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) : size_(size) {
  const bool is_mapped = static_cast<int64_t>(size) >= kWorthMapping;
  const int64_t whole_pages = round_up(static_cast<int64_t>(size), ::sysconf(_SC_PAGESIZE));
  const size_t mapped = is_mapped ? static_cast<size_t>(whole_pages) : 0;
  std::byte* memory = is_mapped ? map(mapped) : allocate(size);
  if (memory == nullptr) {
    fail(ErrorCode::insufficient_memory, "could not allocate {} bytes of memory", size);
  }
  data_ = decltype(data_)(memory, Free{mapped});
}

void AlignedBuffer::Free::operator()(std::byte* data) const noexcept {
  if (mapped > 0) {
    ::munmap(data, mapped);
  } else {
    ::operator delete (data, std::align_val_t{kAlignment});
  }
}

}  // namespace vila
