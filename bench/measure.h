// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/core_count.h"
#include "base/random.h"
#include "base/stopwatch.h"
#include "kernels/peak.h"
#include "kernels/select.h"
#include "ops/ops.h"

/// How the programs of bench/ measure: each row is a share of the limit measured around it, because
/// shared machines change their speed from one second to the next.
namespace vila::bench {

/// One table of kernels with threads and memory of its own. Not movable: `ctx` refers to them.
struct Machine {
  const kernels::CpuKernels& kernels;
  ThreadPool pool;
  Arena arena;
  ops::Context ctx{arena, pool, kernels, {}};

  Machine(const kernels::CpuKernels& table, int threads) : kernels(table), pool(threads) {}
};

/// Uniform in [-0.5, 0.5), the same at every call.
inline Tensor random_tensor(DType dtype, const Shape& shape) {
  Random random(1);
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (float& value : tensor.values<float>())
    value = static_cast<float>(random.uniform()) - 0.5F;
  return tensor.to(dtype);
}

/// Processor seconds of all threads so far: they do not count the time that other programs take.
inline double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

/// What the arithmetic of a step is held to.
enum class Peak { fma, dot };

/// Operations per second of all threads together.
inline double peak_of_pool(Peak peak, Machine& machine) {
  constexpr double kSeconds = 0.05;
  return peak == Peak::fma ? kernels::measure_fma_peak(machine.kernels, machine.pool, kSeconds)
                           : kernels::measure_dot_peak(machine.kernels, machine.pool, kSeconds);
}

/// Operations per processor second of one thread.
inline double peak_per_core(Peak peak, const kernels::CpuKernels& table) {
  constexpr int64_t kRounds = 400'000;
  alignas(64) static constexpr uint8_t kCodes[kernels::kDotLoopBytes] = {1, 2, 3};
  const uint8_t* codes = kCodes;
  benchmark::DoNotOptimize(codes);
  const double start = processor_seconds();
  if (peak == Peak::fma) {
    benchmark::DoNotOptimize(table.fma_loop(kRounds));
  } else {
    benchmark::DoNotOptimize(table.dot_loop(codes, kRounds));
  }
  const int64_t ops = peak == Peak::fma ? table.fma_loop_flops : table.dot_loop_ops;
  return static_cast<double>(kRounds * ops) / (processor_seconds() - start);
}

/// One round of a step by the clock on the wall and by the processor's.
struct Sample {
  double wall;
  double processor;
};

/// The value of `member` that `share` of the samples stay below: 0.5 is the median.
inline double quantile(std::vector<Sample> samples, double Sample::*member, double share) {
  const auto place =
      samples.begin() + static_cast<int64_t>(share * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), place, samples.end(),
                   [member](const Sample& a, const Sample& b) { return a.*member < b.*member; });
  return (*place).*member;
}

/// Every round of `step` that Google Benchmark asks for, after one that warms the caches.
template <typename Step>
std::vector<Sample> sample(benchmark::State& state, Machine& machine, Step step) {
  std::vector<Sample> samples;
  step();
  for (auto _ : state) {
    machine.arena.reset();
    const Stopwatch watch;
    const double start = processor_seconds();
    step();
    samples.push_back({watch.seconds(), processor_seconds() - start});
    state.SetIterationTime(samples.back().wall);
  }
  return samples;
}

/// Times `step`, which does `ops` operations: Gop/s of the best and the median round, each as a
/// share of the peak of all threads measured before and after, and the median round's share by
/// processor time, the figure that a busy machine disturbs least.
template <typename Step>
void measure_ops(benchmark::State& state, Machine& machine, Peak peak, double ops, Step step) {
  const double peak_before = peak_of_pool(peak, machine);
  const double core_before = peak_per_core(peak, machine.kernels);
  const std::vector<Sample> samples = sample(state, machine, step);
  const double most = std::max(peak_before, peak_of_pool(peak, machine));
  const double core = std::max(core_before, peak_per_core(peak, machine.kernels));
  const double median = ops / quantile(samples, &Sample::wall, 0.5);
  const double best = ops / quantile(samples, &Sample::wall, 0.0);
  state.counters["Gops"] = median * 1e-9;
  state.counters["peak"] = most * 1e-9;
  state.counters["best_%"] = 100 * best / most;
  state.counters["median_%"] = 100 * median / most;
  state.counters["cpu_%"] = 100 * ops / quantile(samples, &Sample::processor, 0.5) / core;
}

/// The same for a step that is bound by the read of `bytes` from memory.
template <typename Step>
void measure_bytes(benchmark::State& state, Machine& machine, double bytes, Step step) {
  const auto limit = [&] { return kernels::measure_read_bandwidth(machine.kernels, machine.pool); };
  const double before = limit();
  const std::vector<Sample> samples = sample(state, machine, step);
  const double most = std::max(before, limit());
  const double median = bytes / quantile(samples, &Sample::wall, 0.5);
  state.counters["GB/s"] = median * 1e-9;
  state.counters["limit"] = most * 1e-9;
  state.counters["best_%"] = 100 * bytes / quantile(samples, &Sample::wall, 0.0) / most;
  state.counters["median_%"] = 100 * median / most;
  state.counters["GB/cpu_s"] = bytes / quantile(samples, &Sample::processor, 0.5) * 1e-9;
}

/// Registers a row whose rounds `function` times itself.
template <typename Function>
void add_row(const std::string& name, Function function) {
  benchmark::RegisterBenchmark(name.c_str(), function)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->MinTime(0.5);
}

/// Takes "--name=value" out of the arguments; `fallback` when it is not there.
inline std::string take_option(int& argc, char** argv, const std::string& name,
                               std::string fallback) {
  const std::string prefix = "--" + name + "=";
  int kept = 0;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind(prefix, 0) == 0) {
      fallback = argument.substr(prefix.size());
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return fallback;
}

/// A bench program: options of Google Benchmark, and --isa=NAME, --threads=N before them.
template <typename Register>
int run_benchmarks(int argc, char** argv, const Register& register_all) {
  const std::string isa = take_option(argc, argv, "isa", kernels::best_kernels().isa);
  const std::string threads = take_option(argc, argv, "threads", std::to_string(available_cores()));
  Machine machine(kernels::kernels_named(isa), std::stoi(threads));
  register_all(machine);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("isa", isa);
  benchmark::AddCustomContext("threads", threads);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace vila::bench
