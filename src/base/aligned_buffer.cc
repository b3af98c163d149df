// SPDX-License-Identifier: Apache-2.0
#include "base/aligned_buffer.h"

#include <new>

#include "base/error.h"

namespace vila {

AlignedBuffer::AlignedBuffer(size_t size) : size_(size) {
  auto* memory =
      static_cast<std::byte*>(::operator new (size, std::align_val_t{kAlignment}, std::nothrow));
  if (memory == nullptr) {
    fail(ErrorCode::insufficient_memory, "could not allocate {} bytes of memory", size);
  }
  data_.reset(memory);
}

void AlignedBuffer::Free::operator()(std::byte* data) const noexcept {
  ::operator delete (data, std::align_val_t{kAlignment});
}

}  // namespace vila
