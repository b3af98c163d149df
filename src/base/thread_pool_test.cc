// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <stdexcept>

#include <gtest/gtest.h>

#include "base/core_count.h"

namespace vila {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {
 protected:
  ThreadPool pool_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, CoversEveryItemOnce) {
  EXPECT_EQ(pool_.size(), GetParam());
  for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
    for (const int64_t grain : {1, 3, 64, 5000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
      pool_.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
        EXPECT_EQ(begin % grain, 0);
        EXPECT_LE(end - begin, grain);
        EXPECT_LT(begin, end);
        for (int64_t i = begin; i < end; ++i)
          visits[static_cast<size_t>(i)].fetch_add(1);
      });
      for (const auto& visit : visits)
        ASSERT_EQ(visit.load(), 1) << count << " by " << grain;
    }
  }
}

TEST_P(ThreadPoolTest, NegativeCountsAndGrainsDoNothingWrong) {
  int calls = 0;
  pool_.parallel_for(-3, 1, [&](int64_t, int64_t) { ++calls; });
  EXPECT_EQ(calls, 0);
  std::atomic<int64_t> sum = 0;
  pool_.parallel_for(5, 0, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum.load(), 5);
}

TEST_P(ThreadPoolTest, RethrowsAnExceptionOfAnyRangeAndGoesOn) {
  constexpr int64_t kCount = 16;
  for (int64_t bad = 0; bad < kCount; ++bad) {
    const auto body = [&](int64_t begin, int64_t) {
      if (begin == bad) throw std::runtime_error(std::to_string(begin));
    };
    try {
      pool_.parallel_for(kCount, 1, body);
      FAIL() << "no exception from " << bad;
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), std::to_string(bad));
    }
    std::atomic<int> after = 0;
    pool_.parallel_for(kCount, 1, [&](int64_t, int64_t) { ++after; });
    EXPECT_EQ(after.load(), kCount);
  }
}

TEST_P(ThreadPoolTest, AnExceptionEveryWhereIsOneException) {
  std::atomic<int> started = 0;
  const auto body = [&](int64_t, int64_t) {
    ++started;
    throw std::runtime_error("all");
  };
  EXPECT_THROW(pool_.parallel_for(100000, 1, body), std::runtime_error);
  EXPECT_LE(started.load(), pool_.size() + 100);  // the rest is skipped
}

TEST_P(ThreadPoolTest, WorkersWakeAfterSleep) {
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int64_t> sum = 0;
    pool_.parallel_for(100, 1, [&](int64_t begin, int64_t) { sum += begin; });
    EXPECT_EQ(sum.load(), 4950);
  }
}

TEST_P(ThreadPoolTest, ManyShortLoopsFollowEachOther) {
  int64_t total = 0;
  for (int round = 0; round < 2000; ++round) {
    std::atomic<int64_t> sum = 0;
    pool_.parallel_for(4, 1, [&](int64_t begin, int64_t) { sum += begin; });
    total += sum.load();
  }
  EXPECT_EQ(total, 2000 * 6);
}

TEST(ThreadPool, UsesItsThreadsAtTheSameTime) {
  ThreadPool pool(2);
  std::atomic<int> inside = 0;
  pool.parallel_for(2, 1, [&](int64_t, int64_t) {
    ++inside;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (inside.load() < 2 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_EQ(inside.load(), 2);
  });
}

TEST(ThreadPool, KnowsTheCoresOfThisProcess) {
  EXPECT_GE(available_cores(), 1);
}

}  // namespace
}  // namespace vila
