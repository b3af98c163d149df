// SPDX-License-Identifier: Apache-2.0
#include "base/aligned_buffer.h"

#include <new>

#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/numeric.h"

namespace vila {
namespace {

// Two huge pages of x86: below, rounding to them would waste more than it saves.
constexpr int64_t kWorthHugePages = 4 << 20;

/// Asks for huge pages: weights are read from end to end for each token, and with pages of 4 KiB
/// the CPU spends a part of that time on translating addresses. A wish; the kernel may have none.
void prefer_huge_pages(std::byte* memory, size_t size) {
  if (static_cast<int64_t>(size) < kWorthHugePages) return;
  const auto page = static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = round_up(reinterpret_cast<int64_t>(memory), page);
  const auto end = (reinterpret_cast<int64_t>(memory) + static_cast<int64_t>(size)) / page * page;
  ::madvise(reinterpret_cast<void*>(begin), static_cast<size_t>(end - begin), MADV_HUGEPAGE);
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) : size_(size) {
  auto* memory =
      static_cast<std::byte*>(::operator new (size, std::align_val_t{kAlignment}, std::nothrow));
  if (memory == nullptr) {
    fail(ErrorCode::insufficient_memory, "could not allocate {} bytes of memory", size);
  }
  data_.reset(memory);
  prefer_huge_pages(memory, size);
}

void AlignedBuffer::Free::operator()(std::byte* data) const noexcept {
  ::operator delete (data, std::align_val_t{kAlignment});
}

}  // namespace vila
