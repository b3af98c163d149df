// SPDX-License-Identifier: Apache-2.0
// How near the kernels of the float engine come to what the machine can do: GFLOP/s (or GB/s) and
// their share of the limit. Options: see run_benchmarks().
#include <string>
#include <vector>

#include "measure.h"

namespace vila::bench {
namespace {

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
  measure_ops(state, machine, Peak::fma, flops,
              [&] { ops::linear(machine.ctx, x, weight, Tensor()); });
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
  measure_ops(state, machine, Peak::fma, flops, [&] {
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
  for (const LinearShape& shape : linear_shapes) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      add_row(std::string("linear/") + shape.name + "/" + std::string(dtype_name(dtype)),
              [&, dtype](benchmark::State& state) { bench_linear(state, machine, shape, dtype); });
    }
  }
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    add_row(std::string("decode/2560x2560/") + std::string(dtype_name(dtype)),
            [&, dtype](benchmark::State& state) { bench_decode(state, machine, dtype); });
  }
  static const AttentionShape attention_shapes[] = {{"clip", 1, 577, 16, 64, false},
                                                    {"siglip", 1, 729, 16, 72, false},
                                                    {"nano_tower", 4, 37, 4, 64, false},
                                                    {"llama_prefill", 1, 600, 32, 128, true}};
  for (const AttentionShape& shape : attention_shapes) {
    add_row(std::string("attention/") + shape.name,
            [&](benchmark::State& state) { bench_attention(state, machine, shape); });
  }
  add_row("elementwise/gelu", [&](auto& state) { bench_elementwise(state, machine, ops::gelu); });
  add_row("elementwise/quick_gelu",
          [&](auto& state) { bench_elementwise(state, machine, ops::quick_gelu); });
}

}  // namespace
}  // namespace vila::bench

int main(int argc, char** argv) {
  return vila::bench::run_benchmarks(argc, argv, vila::bench::register_all);
}
