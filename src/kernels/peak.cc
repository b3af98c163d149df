// SPDX-License-Identifier: Apache-2.0
#include "kernels/peak.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/stopwatch.h"

namespace vila::kernels {
namespace {

// Results go here, so that the loops cannot be dropped as unused.
std::atomic<float> sink = 0;

/// Operations per second of round(), which does `ops`, on all threads; the best try within
/// `seconds`.
template <typename Round>
double measure_peak(ThreadPool& pool, double seconds, double ops, const Round& round) {
  constexpr int64_t kTasksPerThread = 16;
  const int64_t tasks = pool.size() * kTasksPerThread;
  double best = 0;
  const Stopwatch whole;
  do {
    const Stopwatch watch;
    pool.parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        round();
    });
    best = std::max(best, static_cast<double>(tasks) * ops / watch.seconds());
  } while (whole.seconds() < seconds);
  return best;
}

constexpr int64_t kRounds = 20'000;

}  // namespace

double measure_fma_peak(const CpuKernels& kernels, ThreadPool& pool, double seconds) {
  const auto flops = static_cast<double>(kRounds * kernels.fma_loop_flops);
  return measure_peak(pool, seconds, flops, [&] { sink = kernels.fma_loop(kRounds); });
}

double measure_dot_peak(const CpuKernels& kernels, ThreadPool& pool, double seconds) {
  alignas(64) uint8_t codes[kDotLoopBytes];
  for (int64_t i = 0; i < kDotLoopBytes; ++i)
    codes[i] = static_cast<uint8_t>(i % 15);
  const auto ops = static_cast<double>(kRounds * kernels.dot_loop_ops);
  return measure_peak(pool, seconds, ops,
                      [&] { sink = static_cast<float>(kernels.dot_loop(codes, kRounds)); });
}

double measure_read_bandwidth(const CpuKernels& kernels, ThreadPool& pool, int64_t bytes) {
  constexpr int64_t kGrain = 1 << 18;
  AlignedBuffer buffer(static_cast<size_t>(bytes));
  std::memset(buffer.data(), 0, buffer.size());
  const auto* x = reinterpret_cast<const float*>(buffer.data());
  const int64_t count = bytes / static_cast<int64_t>(sizeof(float));
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const Stopwatch watch;
    pool.parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
      sink = kernels.read_loop(x + begin, end - begin);
    });
    best = std::max(best, static_cast<double>(bytes) / watch.seconds());
  }
  return best;
}

}  // namespace vila::kernels
