// SPDX-License-Identifier: Apache-2.0
#include "base/aligned_buffer.h"

#include <cstdint>
#include <cstring>

#include <gtest/gtest.h>

#include "base/cpu_info.h"
#include "base/error.h"

namespace vila {
namespace {

TEST(AlignedBuffer, IsAlignedAtEverySize) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1} << 16, (size_t{4} << 20) - 1,
                            size_t{4} << 20, (size_t{4} << 20) + 1, (size_t{9} << 20) + 4097}) {
    AlignedBuffer buffer(size);

    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment, 0U) << size;
    std::memset(buffer.data(), 0x5a, size);  // all of it is ours
  }
}

TEST(AlignedBuffer, ReturnsLargeMemoryAtOnceThoughLaterBuffersLive) {
  constexpr size_t kSize = size_t{64} << 20;
  AlignedBuffer first(kSize);
  std::memset(first.data(), 1, kSize);
  const AlignedBuffer later(kSize);
  const int64_t before = resident_bytes();

  first = AlignedBuffer();

  EXPECT_LT(resident_bytes(), before - static_cast<int64_t>(kSize) / 2);
}

TEST(AlignedBuffer, SaysWhatItCouldNotGet) {
  EXPECT_THROW(AlignedBuffer(size_t{1} << 62), Error);
}

}  // namespace
}  // namespace vila
