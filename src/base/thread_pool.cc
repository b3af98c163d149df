// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <algorithm>

#include <sched.h>

#include "base/error.h"
#include "base/processor.h"

namespace vila {
namespace {

// A decode step has hundreds of short loops; a futex sleep between them would cost more than the
// loops. About 20 microseconds of spinning (a pause takes 40 to 70 ns on current CPUs) bridges the
// gap; more would only take the core from the thread that it waits for, when both share one.
constexpr int kSpins = 300;

}  // namespace

ThreadPool::ThreadPool(int threads) {
  VILA_CHECK(threads >= 1, "{} threads", threads);
  for (int i = 1; i < threads; ++i)
    workers_.emplace_back([this] { work(); });
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
    next_.store(0);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  take_ranges(job_);
  // A worker that has not come by now (the machine may be busy) is not needed any more.
  std::unique_lock lock(mutex_);
  is_open_ = false;
  if (busy_.load() > 0) {
    lock.unlock();
    for (int spin = 0; spin < kSpins && busy_.load() > 0; ++spin)
      pause_cpu();
    lock.lock();
    done_.wait(lock, [this] { return busy_.load() == 0; });
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::take_ranges(const Job& job) {
  while (true) {
    const int64_t begin = next_.fetch_add(job.grain);
    if (begin >= job.count) return;
    try {
      job.call(job.context, begin, std::min(begin + job.grain, job.count));
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_.store(job.count);
    }
  }
}

void ThreadPool::work() {
  uint64_t seen = 0;
  while (true) {
    for (int spin = 0; spin < kSpins && generation_.load() == seen; ++spin)
      pause_cpu();
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
    take_ranges(job);
    if (busy_.fetch_sub(1) == 1) {
      const std::lock_guard lock(mutex_);
      done_.notify_one();
    }
  }
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace vila
