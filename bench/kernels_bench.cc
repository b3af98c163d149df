// SPDX-License-Identifier: Apache-2.0
// How near the kernels of the float engine come to what the machine can do: each row gives its
// GFLOP/s (or GB/s) and its share of the limit measured around it, because shared machines change
// their speed from one second to the next. Options: those of Google Benchmark, and --isa=NAME,
// --threads=N before them.
#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/random.h"
#include "base/stopwatch.h"
#include "kernels/peak.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace vila {
namespace {

struct Machine {
  const kernels::CpuKernels& kernels;
  ThreadPool pool;
  Arena arena;
  ops::Context ctx{arena, pool, kernels, {}};

  Machine(const kernels::CpuKernels& table, int threads) : kernels(table), pool(threads) {}
};

Tensor random_tensor(DType dtype, const Shape& shape) {
  Random random(1);
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (float& value : tensor.values<float>())
    value = static_cast<float>(random.uniform()) - 0.5F;
  return tensor.to(dtype);
}

/// Processor seconds of all threads so far: they do not count the time that other programs take.
double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

/// Multiply-adds per processor second, in operations.
double fma_peak_per_core(const kernels::CpuKernels& table) {
  constexpr int64_t kRounds = 400'000;
  const double start = processor_seconds();
  benchmark::DoNotOptimize(table.fma_loop(kRounds));
  return static_cast<double>(kRounds * table.fma_loop_flops) / (processor_seconds() - start);
}

/// One round of a step by the clock on the wall and by the processor's.
struct Sample {
  double wall;
  double processor;
};

double quantile(std::vector<Sample> samples, double Sample::*member, double share) {
  const auto place =
      samples.begin() + static_cast<int64_t>(share * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), place, samples.end(),
                   [member](const Sample& a, const Sample& b) { return a.*member < b.*member; });
  return (*place).*member;
}

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

/// Times `step`, which does `flops` operations: GFLOP/s of the best and the median round, each as a
/// share of the peak of all threads measured before and after, and the median round's share by
/// processor time, the figure that a busy machine disturbs least.
template <typename Step>
void measure_flops(benchmark::State& state, Machine& machine, double flops, Step step) {
  const auto peak = [&] { return kernels::measure_fma_peak(machine.kernels, machine.pool, 0.05); };
  const double peak_before = peak();
  const double core_before = fma_peak_per_core(machine.kernels);
  const std::vector<Sample> samples = sample(state, machine, step);
  const double most = std::max(peak_before, peak());
  const double core = std::max(core_before, fma_peak_per_core(machine.kernels));
  const double median = flops / quantile(samples, &Sample::wall, 0.5);
  const double best = flops / quantile(samples, &Sample::wall, 0.0);
  state.counters["GFLOPs"] = median * 1e-9;
  state.counters["peak"] = most * 1e-9;
  state.counters["best_%"] = 100 * best / most;
  state.counters["median_%"] = 100 * median / most;
  state.counters["cpu_%"] = 100 * flops / quantile(samples, &Sample::processor, 0.5) / core;
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
}

struct LinearShape {
  const char* name;
  int64_t rows;
  int64_t depth;
  int64_t columns;
};

void bench_linear(benchmark::State& state, Machine& machine, const LinearShape& shape,
                  DType dtype) {
  const Tensor x = random_tensor(DType::f32, {shape.rows, shape.depth});
  const Tensor weight = random_tensor(dtype, {shape.columns, shape.depth});
  const auto flops = 2.0 * static_cast<double>(shape.rows * shape.depth * shape.columns);
  measure_flops(state, machine, flops, [&] { ops::linear(machine.ctx, x, weight, Tensor()); });
}

/// One row: bound by the read of the weights, of which there are more than the caches hold.
void bench_decode(benchmark::State& state, Machine& machine, DType dtype) {
  const Shape shape{2560, 2560};
  const Tensor x = random_tensor(DType::f32, {1, 2560});
  std::vector<Tensor> layers;
  while (layers.size() < 16) {
    layers.push_back(random_tensor(dtype, shape));
  }
  const auto bytes = static_cast<double>(layers.size() * layers[0].nbytes());
  measure_bytes(state, machine, bytes, [&] {
    for (const Tensor& weight : layers)
      ops::linear(machine.ctx, x, weight, Tensor());
  });
}

struct AttentionShape {
  const char* name;
  int64_t sequences;
  int64_t rows;
  int64_t heads;
  int64_t head_dim;
  bool causal;
};

void bench_attention(benchmark::State& state, Machine& machine, const AttentionShape& shape) {
  const int64_t width = shape.heads * shape.head_dim;
  const Tensor q = random_tensor(DType::f32, {shape.sequences * shape.rows, width});
  ops::KvView kv;
  kv.keys = q.raw();
  kv.values = q.raw();
  kv.head_stride = shape.head_dim;
  kv.token_stride = width;
  const ops::CausalSequence sequence{0, shape.rows, shape.rows, kv};
  const double flops = 4.0 *
                       static_cast<double>(shape.sequences * shape.rows * shape.rows * width) *
                       (shape.causal ? 0.5 : 1.0);
  measure_flops(state, machine, flops, [&] {
    if (shape.causal) {
      ops::attend_causal(machine.ctx, q, {&sequence, 1}, shape.heads, shape.heads);
    } else {
      ops::attend_full(machine.ctx, q, q, q, shape.sequences, shape.heads);
    }
  });
}

void bench_elementwise(benchmark::State& state, Machine& machine,
                       Tensor (*op)(ops::Context&, const Tensor&)) {
  const Tensor x = random_tensor(DType::f32, {577, 4096});
  measure_bytes(state, machine, 2.0 * static_cast<double>(x.nbytes()), [&] { op(machine.ctx, x); });
}

void register_all(Machine& machine) {
  static const LinearShape linear_shapes[] = {
      {"clip_qkv", 577, 1024, 1024},    {"clip_fc1", 577, 1024, 4096},
      {"clip_fc2", 577, 4096, 1024},    {"nano_37_qkv", 37, 256, 256},
      {"nano_37_fc1", 37, 256, 1024},   {"nano_148_qkv", 148, 256, 256},
      {"nano_148_fc1", 148, 256, 1024}, {"nano_148_fc2", 148, 1024, 256}};
  const auto add = [](const std::string& name, auto function) {
    benchmark::RegisterBenchmark(name.c_str(), function)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond)
        ->MinTime(0.5);
  };
  for (const LinearShape& shape : linear_shapes) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      add(std::string("linear/") + shape.name + "/" + std::string(dtype_name(dtype)),
          [&, dtype](benchmark::State& state) { bench_linear(state, machine, shape, dtype); });
    }
  }
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    add(std::string("decode/2560x2560/") + std::string(dtype_name(dtype)),
        [&, dtype](benchmark::State& state) { bench_decode(state, machine, dtype); });
  }
  static const AttentionShape attention_shapes[] = {{"clip", 1, 577, 16, 64, false},
                                                    {"siglip", 1, 729, 16, 72, false},
                                                    {"nano_tower", 4, 37, 4, 64, false},
                                                    {"llama_prefill", 1, 600, 32, 128, true}};
  for (const AttentionShape& shape : attention_shapes) {
    add(std::string("attention/") + shape.name,
        [&](benchmark::State& state) { bench_attention(state, machine, shape); });
  }
  add("elementwise/gelu", [&](auto& state) { bench_elementwise(state, machine, ops::gelu); });
  add("elementwise/quick_gelu",
      [&](auto& state) { bench_elementwise(state, machine, ops::quick_gelu); });
}

/// Takes "--name=value" out of the arguments; `fallback` when it is not there.
std::string take_option(int& argc, char** argv, const std::string& name, std::string fallback) {
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

}  // namespace
}  // namespace vila

int main(int argc, char** argv) {
  const std::string isa = vila::take_option(argc, argv, "isa", vila::kernels::best_kernels().isa);
  const std::string threads =
      vila::take_option(argc, argv, "threads", std::to_string(vila::available_cores()));
  vila::Machine machine(vila::kernels::kernels_named(isa), std::stoi(threads));
  vila::register_all(machine);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("isa", isa);
  benchmark::AddCustomContext("threads", threads);
  benchmark::RunSpecifiedBenchmarks();
}
