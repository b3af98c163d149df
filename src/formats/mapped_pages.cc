// SPDX-License-Identifier: Apache-2.0
#include "formats/mapped_pages.h"

#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace vila::formats {

void release_pages(std::span<const std::byte> part) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(part.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + part.size()) / page * page;
  // A failure costs memory and nothing else.
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

void release_pages(const Tensor& tensor, const FileMaps& files) {
  if (!tensor.defined()) return;
  const std::span part(static_cast<const std::byte*>(tensor.raw()), tensor.nbytes());
  const auto first = reinterpret_cast<uintptr_t>(part.data());
  for (const auto& file : files) {
    const auto begin = reinterpret_cast<uintptr_t>(file->bytes().data());
    const bool is_inside = first >= begin && first - begin + part.size() <= file->bytes().size();
    if (is_inside) release_pages(part);
  }
}

}  // namespace vila::formats
