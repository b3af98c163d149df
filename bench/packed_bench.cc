// SPDX-License-Identifier: Apache-2.0
// How near the quantised products come to what the machine can do: prefill and vision as a share of
// the peak of int8 dot products, decoding as a share of the read bandwidth (all bytes of the
// weights counted, scales too). Options: see run_benchmarks().
#include <string>
#include <vector>

#include "measure.h"
#include "tensor/packed_matrix.h"

namespace vila::bench {
namespace {

struct Format {
  const char* name;
  int bits;
  int64_t group;
  bool is_narrow = false;
};

/// Random codes; all scales and zero points 1.
PackedMatrix random_weight(int64_t out, int64_t in, const Format& format) {
  PackedMatrix matrix{.out = out,
                      .in = in,
                      .group = format.group,
                      .bits = format.bits,
                      .is_narrow = format.is_narrow,
                      .data = {}};
  matrix.data = Tensor::empty(DType::u8, {PackedMatrix::bytes(out, in, format.group, format.bits)});
  Random random(1);
  uint8_t* byte = matrix.data.data<uint8_t>();
  for (int64_t i = 0; i < matrix.data.numel(); i += 4) {
    // Narrow codes are those of 64 to 127 among [64, 192].
    const uint32_t word =
        format.is_narrow ? (random.next_u32() & 0x3f3f3f3fU) + 0x40404040U : random.next_u32();
    __builtin_memcpy(byte + i, &word, sizeof(word));
  }
  const int64_t group_bytes = matrix.code_bytes() + PackedMatrix::kLineBytes;
  for (int64_t g = 0; g < matrix.tiles() * matrix.groups(); ++g) {
    auto* line = reinterpret_cast<f16*>(byte + g * group_bytes + matrix.code_bytes());
    std::fill_n(line, 2 * PackedMatrix::kTileRows, to_f16(1.0F));
  }
  return matrix;
}

struct Product {
  const char* name;
  int64_t rows;
  int64_t depth;
  int64_t columns;
  Format format;
};

void bench_product(benchmark::State& state, Machine& machine, const Product& product) {
  const Tensor x = random_tensor(DType::f32, {product.rows, product.depth});
  const PackedMatrix weight = random_weight(product.columns, product.depth, product.format);
  const auto ops = 2.0 * static_cast<double>(product.rows * product.depth * product.columns);
  measure_ops(state, machine, Peak::dot, ops,
              [&] { ops::linear(machine.ctx, x, weight, Tensor()); });
}

/// Activations kept in f32 and weights dequantised, against the peak of f32.
void bench_float(benchmark::State& state, Machine& machine, const Product& product) {
  const Tensor x = random_tensor(DType::f32, {product.rows, product.depth});
  const PackedMatrix weight = random_weight(product.columns, product.depth, product.format);
  const auto ops = 2.0 * static_cast<double>(product.rows * product.depth * product.columns);
  machine.ctx.packed_activations = ops::PackedActivations::float32;
  measure_ops(state, machine, Peak::fma, ops,
              [&] { ops::linear(machine.ctx, x, weight, Tensor()); });
  machine.ctx.packed_activations = ops::PackedActivations::int8;
}

struct Decode {
  const char* name;
  int64_t rows;
  int64_t hidden;
  int64_t inner;
  int layers;  // enough that no cache holds them
  Format format;
};

/// The linears of a Llama layer, one after another.
std::vector<PackedMatrix> llama_layers(const Decode& decode) {
  std::vector<PackedMatrix> weights;
  const int64_t h = decode.hidden;
  for (int layer = 0; layer < decode.layers; ++layer) {
    for (int i = 0; i < 4; ++i)
      weights.push_back(random_weight(h, h, decode.format));
    weights.push_back(random_weight(decode.inner, h, decode.format));
    weights.push_back(random_weight(decode.inner, h, decode.format));
    weights.push_back(random_weight(h, decode.inner, decode.format));
  }
  return weights;
}

void bench_decode(benchmark::State& state, Machine& machine, const Decode& decode) {
  const std::vector<PackedMatrix> weights = llama_layers(decode);
  const Tensor narrow = random_tensor(DType::f32, {decode.rows, decode.hidden});
  const Tensor wide = random_tensor(DType::f32, {decode.rows, decode.inner});
  double bytes = 0;
  for (const PackedMatrix& weight : weights)
    bytes += static_cast<double>(weight.nbytes());
  measure_bytes(state, machine, bytes, [&] {
    for (const PackedMatrix& weight : weights) {
      const Tensor& x = weight.in == decode.hidden ? narrow : wide;
      ops::linear(machine.ctx, x, weight, Tensor());
    }
  });
}

constexpr Format k4Bit{"g128", 4, 128};
constexpr Format k4BitSmall{"g32", 4, 32};
constexpr Format k8Bit{"int8", 8, 128};
constexpr Format kNarrow{"narrow", 8, 1024, true};

constexpr Product kProducts[] = {
    {"vila2.7b_qkv", 256, 2560, 2560, k4Bit},       {"vila2.7b_gate", 256, 2560, 6912, k4Bit},
    {"vila2.7b_down", 256, 6912, 2560, k4Bit},      {"vila2.7b_gate", 600, 2560, 6912, k4Bit},
    {"vila2.7b_gate", 256, 2560, 6912, k4BitSmall}, {"vila7b_qkv", 256, 4096, 4096, k4Bit},
    {"vila7b_down", 256, 11008, 4096, k4Bit},       {"vila7b_down", 600, 11008, 4096, k4Bit},
    {"clip_qkv", 577, 1024, 1024, k8Bit},           {"clip_fc1", 577, 1024, 4096, k8Bit},
    {"clip_fc2", 577, 4096, 1024, k8Bit},           {"clip_qkv", 577, 1024, 1024, kNarrow},
    {"clip_fc1", 577, 1024, 4096, kNarrow},         {"clip_fc2", 577, 4096, 1024, kNarrow},
    {"nano_qkv", 37, 256, 256, k4BitSmall},         {"nano_fc1", 148, 256, 1024, k8Bit}};

constexpr Decode kDecodes[] = {{"vila2.7b", 1, 2560, 6912, 4, k4Bit},
                               {"vila2.7b", 8, 2560, 6912, 4, k4Bit},
                               {"vila2.7b", 1, 2560, 6912, 2, k8Bit},
                               {"vila7b", 1, 4096, 11008, 2, k4Bit}};

void register_all(Machine& machine) {
  for (const Product& product : kProducts) {
    const std::string name =
        std::string(product.name) + "/" + std::to_string(product.rows) + "/" + product.format.name;
    add_row("linear/" + name,
            [&](benchmark::State& state) { bench_product(state, machine, product); });
  }
  add_row("w4a16/vila2.7b_qkv/256/g128",
          [&](benchmark::State& state) { bench_float(state, machine, kProducts[0]); });
  for (const Decode& decode : kDecodes) {
    const std::string name =
        std::string(decode.name) + "/" + std::to_string(decode.rows) + "/" + decode.format.name;
    add_row("decode/" + name,
            [&](benchmark::State& state) { bench_decode(state, machine, decode); });
  }
}

}  // namespace
}  // namespace vila::bench

int main(int argc, char** argv) {
  return vila::bench::run_benchmarks(argc, argv, vila::bench::register_all);
}
