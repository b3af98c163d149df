// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/processor.h"

namespace vila {
namespace {

// A decode step has hundreds of short loops with a little work of one thread between them. To sleep
// and be woken costs more than that work, on a virtual core, which stops and has to be started
// again, tens of microseconds: so threads wait awake for a while. When others want the core,
// because there are more threads than cores, yielding lets them have it.
constexpr auto kAwake = std::chrono::microseconds(200);
constexpr int kPauses = 64;  // between two looks at the clock: a pause takes 20 to 70 ns

/// Waits until is_done(), but not longer than kAwake.
template <typename IsDone>
void wait_awake(const IsDone& is_done) {
  const auto end = std::chrono::steady_clock::now() + kAwake;
  while (true) {
    for (int i = 0; i < kPauses; ++i) {
      if (is_done()) return;
      pause_cpu();
    }
    if (std::chrono::steady_clock::now() >= end) return;
    std::this_thread::yield();
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(static_cast<size_t>(std::max(threads, 1))) {
  VILA_CHECK(threads >= 1, "{} threads", threads);
  for (size_t i = 1; i < shares_.size(); ++i)
    workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_)
    worker.join();
}

void ThreadPool::run(int64_t count, int64_t grain, Call call, const void* context) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (workers_.empty() || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain) {
      call(context, begin, std::min(begin + grain, count));
    }
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    job_ = {call, context, count, grain};
    is_open_ = true;
    failure_ = nullptr;
    deal(count, grain);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  take_ranges(job_, 0);
  // A worker that has not come by now (the machine may be busy) is not needed any more.
  std::unique_lock lock(mutex_);
  is_open_ = false;
  if (busy_.load() > 0) {
    lock.unlock();
    wait_awake([this] { return busy_.load() == 0; });
    lock.lock();
    done_.wait(lock, [this] { return busy_.load() == 0; });
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

/// Cuts [0, count) into shares of whole ranges.
void ThreadPool::deal(int64_t count, int64_t grain) {
  const int64_t ranges = (count - 1) / grain + 1;
  const auto threads = std::ssize(shares_);
  for (int64_t i = 0, begin = 0; i < threads; ++i) {
    const int64_t mine = ranges / threads + (i < ranges % threads ? 1 : 0);
    Share& share = shares_[static_cast<size_t>(i)];
    share.next.store(begin * grain);
    share.end = std::min((begin + mine) * grain, count);
    begin += mine;
  }
}

void ThreadPool::take_ranges(const Job& job, size_t own) {
  for (size_t i = 0; i < shares_.size(); ++i)
    take_share(job, shares_[(own + i) % shares_.size()]);
}

void ThreadPool::take_share(const Job& job, Share& share) {
  while (true) {
    const int64_t begin = share.next.fetch_add(job.grain);
    if (begin >= share.end) return;
    try {
      job.call(job.context, begin, std::min(begin + job.grain, share.end));
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      for (Share& any : shares_)
        any.next.store(any.end);
    }
  }
}

void ThreadPool::work(size_t own) {
  uint64_t seen = 0;
  while (true) {
    wait_awake([&] { return generation_.load() != seen; });
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      if (stopping_) return;
      seen = generation_.load();
      if (!is_open_) continue;
      job = job_;
      busy_.fetch_add(1);
    }
    take_ranges(job, own);
    if (busy_.fetch_sub(1) == 1) {
      const std::lock_guard lock(mutex_);
      done_.notify_one();
    }
  }
}

}  // namespace vila
