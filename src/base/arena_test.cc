// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <cstdint>
#include <cstring>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila {
namespace {

TEST(AlignedBuffer, StartsAtACacheLine) {
  for (const size_t size : {size_t{1}, size_t{63}, size_t{100000}}) {
    const AlignedBuffer buffer(size);
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment, 0U);
  }
}

TEST(Arena, HandsOutSeparateAlignedMemory) {
  Arena arena;
  std::vector<std::byte*> blocks;
  const std::vector<size_t> sizes = {0, 1, 64, 65, 3 << 20, 7, 1 << 20};
  for (size_t i = 0; i < sizes.size(); ++i) {
    blocks.push_back(arena.allocate(sizes[i]));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks[i]) % 64, 0U);
    if (sizes[i] > 0) std::memset(blocks[i], static_cast<int>(i), sizes[i]);
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    for (size_t at = 0; at < sizes[i]; at += 997)
      ASSERT_EQ(blocks[i][at], std::byte(i));
  }
}

TEST(Arena, ARepeatedStepReusesTheMemory) {
  Arena arena;
  const auto step = [&] {
    std::byte* first = arena.allocate(100);
    arena.allocate(5 << 20);
    arena.allocate(2 << 20);
    return first;
  };
  step();
  arena.reset();
  std::byte* merged = step();
  arena.reset();
  EXPECT_EQ(step(), merged);
}

TEST(Arena, RewindFreesWhatCameAfterTheMark) {
  Arena arena(1 << 20);
  arena.allocate(64);
  std::byte* inner = nullptr;
  {
    const ArenaScope scope(arena);
    inner = arena.allocate(128);
    arena.allocate(4 << 20);
  }
  EXPECT_EQ(arena.allocate(128), inner);
}

TEST(Arena, HighWaterIsTheMostInUseAtOnce) {
  Arena arena;
  arena.allocate(100);
  arena.allocate(64);
  EXPECT_EQ(arena.high_water(), 192U);
  arena.reset();
  arena.allocate(64);
  EXPECT_EQ(arena.high_water(), 192U);
  arena.allocate(256);
  EXPECT_EQ(arena.high_water(), 320U);
}

}  // namespace
}  // namespace vila
