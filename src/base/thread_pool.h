// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace vila {

/// A fixed set of threads that share loops. An owner (neither copied nor moved); parallel_for() is
/// called by one thread at a time and never from inside a body.
class ThreadPool {
 public:
  /// @param threads  workers including the caller, >= 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(begin, end) over ranges that cover [0, count) once each; a range has at most
  /// `grain` items and starts at a multiple of it, so the split does not depend on the number of
  /// threads. Each thread begins with a stretch of neighbouring ranges, so that it reads memory in
  /// order, and helps the others when it is through. Returns when all are done. The first exception
  /// of a body is rethrown here; the rest of the ranges are then skipped.
  template <typename Body>
  void parallel_for(int64_t count, int64_t grain, const Body& body) {
    static_assert(std::is_invocable_v<const Body&, int64_t, int64_t>);
    run(
        count, grain,
        [](const void* context, int64_t begin, int64_t end) {
          (*static_cast<const Body*>(context))(begin, end);
        },
        &body);
  }

 private:
  using Call = void (*)(const void* context, int64_t begin, int64_t end);

  struct Job {
    Call call = nullptr;
    const void* context = nullptr;
    int64_t count = 0;
    int64_t grain = 1;
  };

  /// The ranges that one thread begins with. A cache line each: threads count up their own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void run(int64_t count, int64_t grain, Call call, const void* context);
  void work(size_t own);
  void deal(int64_t count, int64_t grain);
  void take_ranges(const Job& job, size_t own);
  void take_share(const Job& job, Share& share);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::atomic<uint64_t> generation_{0};  // counts jobs; workers spin on it shortly, then sleep
  Job job_;
  bool is_open_ = false;       // whether workers may still join job_
  std::vector<Share> shares_;  // one for each thread, the caller's first
  std::atomic<int> busy_{0};   // workers inside job_
  std::exception_ptr failure_;
  bool stopping_ = false;
};

}  // namespace vila
