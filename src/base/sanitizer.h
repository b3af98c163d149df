// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define VILA_HAS_ASAN 1
#else
#define VILA_HAS_ASAN 0
#endif

namespace vila {

/// Marks memory as unusable until unpoison(); only AddressSanitizer builds notice.
inline void poison([[maybe_unused]] const void* data, [[maybe_unused]] size_t size) noexcept {
#if VILA_HAS_ASAN
  __asan_poison_memory_region(data, size);
#endif
}

/// Makes memory usable again.
inline void unpoison([[maybe_unused]] const void* data, [[maybe_unused]] size_t size) noexcept {
#if VILA_HAS_ASAN
  __asan_unpoison_memory_region(data, size);
#endif
}

}  // namespace vila
