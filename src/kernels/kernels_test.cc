// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "kernels/reference.h"
#include "kernels/select.h"

namespace vila::kernels {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

size_t at(int64_t index) {
  return static_cast<size_t>(index);
}

Floats normal_values(int64_t count, uint64_t seed, double scale = 1.0) {
  Random random(seed);
  Floats values(at(count));
  for (float& value : values)
    value = static_cast<float>(random.normal() * scale);
  return values;
}

/// A weight in one dtype, and what its elements are worth.
struct Weight {
  std::vector<uint16_t> halves;
  Floats values;
  DType dtype;

  Weight(Floats source, DType type) : values(std::move(source)), dtype(type) {
    if (dtype == DType::f32) return;
    for (float& value : values) {
      halves.push_back(dtype == DType::f16 ? to_f16(value).bits : to_bf16(value).bits);
      value = dtype == DType::f16 ? to_f32(f16{halves.back()}) : to_f32(bf16{halves.back()});
    }
  }

  const void* raw() const {
    return halves.empty() ? static_cast<const void*>(values.data()) : halves.data();
  }
};

struct GemmCase {
  int64_t rows;
  int64_t depth;
  int64_t columns;
};

/// The whole product in one call; rows of y are `columns` + 3 apart, to see writes past the end.
Floats run_gemm(const CpuKernels& table, const GemmCase& shape, const Floats& x,
                const Weight& weight, const float* bias) {
  const int64_t panel = panel_rows(shape.rows, table.tile_rows);
  Floats packed(at(shape.rows * shape.depth + 1), -7.0F);
  table.pack_rows({.x = x.data(),
                   .x_stride = shape.depth,
                   .rows = shape.rows,
                   .depth = shape.depth,
                   .panel_rows = panel,
                   .row_begin = 0,
                   .row_end = shape.rows,
                   .packed = packed.data()});
  EXPECT_EQ(packed.back(), -7.0F) << "pack_rows wrote past the end";
  const int64_t stride = shape.columns + 3;
  Floats padded(at(shape.rows * stride), 99.0F);
  table.gemm({.packed_x = packed.data(),
              .weight = weight.raw(),
              .weight_dtype = weight.dtype,
              .weight_stride = shape.depth,
              .bias = bias,
              .y = padded.data(),
              .y_stride = stride,
              .rows = shape.rows,
              .depth = shape.depth,
              .panel_rows = panel,
              .row_begin = 0,
              .row_end = shape.rows,
              .column_begin = 0,
              .column_end = shape.columns});
  Floats y;
  for (int64_t m = 0; m < shape.rows; ++m) {
    const auto row = padded.begin() + m * stride;
    y.insert(y.end(), row, row + shape.columns);
    EXPECT_TRUE(std::all_of(row + shape.columns, row + stride, [](float v) { return v == 99.0F; }));
  }
  return y;
}

void expect_gemm_within_contract(const CpuKernels& table, const GemmCase& shape, DType dtype) {
  const Floats x = normal_values(shape.rows * shape.depth, 1);
  const Weight weight(normal_values(shape.columns * shape.depth, 2), dtype);
  const Floats bias = normal_values(shape.columns, 3);
  const reference::Gemm truth{x.data(),   weight.values.data(), bias.data(),
                              shape.rows, shape.depth,          shape.columns};
  Doubles expected(at(shape.rows * shape.columns));
  Doubles magnitude(expected.size());
  reference::gemm(truth, expected.data());
  reference::gemm_magnitude(truth, magnitude.data());

  const Floats y = run_gemm(table, shape, x, weight, bias.data());

  for (size_t i = 0; i < y.size(); ++i) {
    const double bound = static_cast<double>(shape.depth + 1) * 0x1p-24 * magnitude[i];
    ASSERT_NEAR(static_cast<double>(y[i]), expected[i], bound)
        << table.isa << " " << dtype_name(dtype) << " " << shape.rows << "x" << shape.depth << "x"
        << shape.columns << " element " << i;
  }
}

TEST(Gemm, IsWithinItsBoundForOddShapesAndEveryWeightDtype) {
  const GemmCase shapes[] = {{1, 1, 1},    {1, 17, 33},   {2, 64, 31},  {3, 300, 65}, {5, 16, 16},
                             {6, 257, 40}, {8, 512, 96},  {13, 33, 7},  {14, 31, 32}, {15, 40, 64},
                             {29, 7, 100}, {37, 256, 48}, {64, 259, 33}};
  for (const CpuKernels* table : all_kernels()) {
    for (const GemmCase& shape : shapes) {
      for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
        expect_gemm_within_contract(*table, shape, dtype);
      }
    }
  }
}

TEST(Gemm, WithoutDepthGivesTheBias) {
  const Floats bias = {1.0F, 2.0F, 3.0F};
  for (const CpuKernels* table : all_kernels()) {
    const Floats y = run_gemm(*table, {2, 0, 3}, {}, Weight({}, DType::f32), bias.data());
    EXPECT_EQ(y, (Floats{1.0F, 2.0F, 3.0F, 1.0F, 2.0F, 3.0F})) << table->isa;
  }
}

TEST(Gemm, GivesARowTheSameBitsAloneAndInABatch) {
  const GemmCase shape{64, 300, 70};
  const Floats x = normal_values(shape.rows * shape.depth, 4);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const Weight weight(normal_values(shape.columns * shape.depth, 5), dtype);
    for (const CpuKernels* table : all_kernels()) {
      const Floats batch = run_gemm(*table, shape, x, weight, nullptr);
      for (const int64_t row : {0, 13, 14, 40, 63}) {
        const Floats one(x.begin() + row * shape.depth, x.begin() + (row + 1) * shape.depth);
        const Floats single =
            run_gemm(*table, {1, shape.depth, shape.columns}, one, weight, nullptr);
        EXPECT_EQ(std::memcmp(single.data(), &batch[at(row * shape.columns)],
                              single.size() * sizeof(float)),
                  0)
            << table->isa << " row " << row;
      }
    }
  }
}

TEST(Gemm, KeepsInfinityAndNanInTheirOwnRowAndColumn) {
  const GemmCase shape{15, 40, 35};
  Floats x(at(shape.rows * shape.depth), 1.0F);
  x[at(3 * shape.depth + 5)] = std::numeric_limits<float>::quiet_NaN();
  Floats w(at(shape.columns * shape.depth), 1.0F);
  w[at(34 * shape.depth + 39)] = std::numeric_limits<float>::infinity();
  for (const CpuKernels* table : all_kernels()) {
    const Floats y = run_gemm(*table, shape, x, Weight(w, DType::bf16), nullptr);
    for (int64_t m = 0; m < shape.rows; ++m) {
      for (int64_t n = 0; n < shape.columns; ++n) {
        const float value = y[at(m * shape.columns + n)];
        if (m == 3) {
          EXPECT_TRUE(std::isnan(value)) << table->isa;
        } else if (n == 34) {
          EXPECT_TRUE(std::isinf(value)) << table->isa;
        } else {
          EXPECT_EQ(value, 40.0F) << table->isa << " " << m << " " << n;
        }
      }
    }
  }
}

struct AttentionCase {
  int64_t queries;
  int64_t keys;
  int64_t head_dim;
  int64_t first_seen;  // 0: not causal
};

/// Vectors of a cache in one dtype, `stride` elements apart.
struct KvVectors {
  Floats floats;
  std::vector<f16> halves;
  std::vector<int8_t> codes;
  Floats scales;  // of codes
  DType dtype;

  KvVectors(const Floats& source, int64_t stride, DType type) : dtype(type) {
    if (dtype == DType::f32) floats = source;
    if (dtype == DType::f16) {
      for (const float value : source)
        halves.push_back(to_f16(value));
    }
    if (dtype != DType::i8) return;
    codes.resize(source.size());
    for (size_t begin = 0; begin < source.size(); begin += at(stride))
      scales.push_back(reference::quantise_group(&source[begin], stride, &codes[begin]).scale);
  }

  const void* raw() const {
    if (dtype == DType::f32) return floats.data();
    return dtype == DType::f16 ? static_cast<const void*>(halves.data()) : codes.data();
  }

  const float* scale_values() const { return dtype == DType::i8 ? scales.data() : nullptr; }
};

/// Two query heads on random keys and values of one dtype; what is between the rows must stay.
struct AttentionProblem {
  static constexpr int64_t kHeads = 2;
  AttentionCase shape;
  int64_t stride = kHeads * shape.head_dim + 5;
  int64_t kv_stride = shape.head_dim + 3;
  Floats q = normal_values(shape.queries * stride, 6, 2.0);
  KvVectors k, v;
  Floats out = Floats(at(shape.queries * stride), 99.0F);

  AttentionProblem(const AttentionCase& of, DType dtype)
      : shape(of),
        k(normal_values(shape.keys * kv_stride, 7, 2.0), kv_stride, dtype),
        v(normal_values(shape.keys * kv_stride, 8), kv_stride, dtype) {}

  AttentionArgs args(bool streams) {
    return {.q = q.data(),
            .q_stride = stride,
            .k = k.raw(),
            .v = v.raw(),
            .kv_stride = kv_stride,
            .out = out.data(),
            .out_stride = stride,
            .queries = shape.queries,
            .keys = shape.keys,
            .head_dim = shape.head_dim,
            .first_seen = shape.first_seen,
            .causal = shape.first_seen > 0,
            .scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim)),
            .kv_dtype = k.dtype,
            .k_scales = k.scale_values(),
            .v_scales = v.scale_values(),
            .heads = kHeads,
            .streams = streams};
  }
};

void expect_attention_within_contract(const CpuKernels& table, const AttentionCase& shape,
                                      DType dtype, bool streams) {
  AttentionProblem problem(shape, dtype);
  const int64_t width = AttentionProblem::kHeads * shape.head_dim;
  Doubles expected(at(shape.queries * width));
  reference::attend(problem.args(streams), expected.data());

  table.attend(problem.args(streams));

  for (int64_t i = 0; i < shape.queries; ++i) {
    for (int64_t e = 0; e < width; ++e) {
      ASSERT_NEAR(static_cast<double>(problem.out[at(i * problem.stride + e)]),
                  expected[at(i * width + e)], 1e-5 * 5.0)
          << table.isa << " " << dtype_name(dtype) << (streams ? " stream" : "") << " queries "
          << shape.queries << " keys " << shape.keys << " E " << shape.head_dim << " at " << i
          << ", " << e;
    }
    for (int64_t e = width; e < problem.stride; ++e)
      ASSERT_EQ(problem.out[at(i * problem.stride + e)], 99.0F);
  }
}

TEST(Attend, IsWithinItsBoundFullAndCausalForEveryKvType) {
  const AttentionCase shapes[] = {{1, 1, 64, 0},   {1, 300, 64, 300}, {3, 40, 72, 38},
                                  {5, 5, 32, 1},   {5, 130, 80, 0},   {65, 65, 64, 1},
                                  {37, 37, 48, 0}, {64, 257, 128, 0}, {33, 290, 16, 258},
                                  {70, 70, 6, 1},  {130, 126, 256, 0}};
  for (const CpuKernels* table : all_kernels()) {
    for (const AttentionCase& shape : shapes) {
      for (const DType dtype : {DType::f32, DType::f16, DType::i8}) {
        for (const bool streams : {false, true})
          expect_attention_within_contract(*table, shape, dtype, streams);
      }
    }
  }
}

TEST(Attend, MayRoundToBf16WithinItsBound) {
  const AttentionCase shapes[] = {{1, 1, 64, 0},    {5, 130, 80, 0},    {37, 37, 48, 0},
                                  {64, 257, 72, 0}, {130, 126, 256, 0}, {33, 29, 6, 0}};
  for (const CpuKernels* table : all_kernels()) {
    for (const AttentionCase& shape : shapes) {
      AttentionProblem problem(shape, DType::f32);
      AttentionArgs args = problem.args(false);
      args.may_round = true;
      args.scale /= 4;  // scores of standard deviation 1
      const int64_t width = AttentionProblem::kHeads * shape.head_dim;
      Doubles expected(at(shape.queries * width));
      reference::attend(args, expected.data());

      table->attend(args);

      for (int64_t i = 0; i < shape.queries; ++i) {
        for (int64_t e = 0; e < width; ++e) {
          ASSERT_NEAR(static_cast<double>(problem.out[at(i * problem.stride + e)]),
                      expected[at(i * width + e)], 4e-3 * 5.0)
              << table->isa << " queries " << shape.queries << " keys " << shape.keys << " E "
              << shape.head_dim << " at " << i << ", " << e;
        }
        for (int64_t e = width; e < problem.stride; ++e)
          ASSERT_EQ(problem.out[at(i * problem.stride + e)], 99.0F);
      }
    }
  }
}

TEST(Attend, RoundsNeitherMaskedKeysNorHeadsOfOddSize) {
  for (const CpuKernels* table : all_kernels()) {
    for (const AttentionCase& shape :
         {AttentionCase{20, 40, 64, 21}, AttentionCase{20, 31, 7, 0}}) {
      AttentionProblem exact(shape, DType::f32);
      AttentionProblem allowed(shape, DType::f32);
      AttentionArgs args = allowed.args(false);
      args.may_round = true;

      table->attend(exact.args(false));
      table->attend(args);

      EXPECT_EQ(allowed.out, exact.out) << table->isa << " E " << shape.head_dim;
    }
  }
}

TEST(Attend, GivesAQueryTheSameBitsHoweverQueriesAreSplit) {
  const AttentionCase shape{21, 150, 40, 130};
  for (const CpuKernels* table : all_kernels()) {
    for (const DType dtype : {DType::f32, DType::f16, DType::i8}) {
      for (const bool streams : {false, true}) {
        AttentionProblem whole(shape, dtype);
        table->attend(whole.args(streams));
        AttentionProblem split(shape, dtype);
        for (int64_t i = 0; i < shape.queries; ++i) {
          for (int64_t head = 0; head < AttentionProblem::kHeads; ++head) {
            AttentionArgs one = split.args(streams);
            one.q += i * one.q_stride + head * shape.head_dim;
            one.out += i * one.out_stride + head * shape.head_dim;
            one.queries = 1;
            one.heads = 1;
            one.first_seen += i;
            table->attend(one);
          }
        }
        EXPECT_EQ(split.out, whole.out) << table->isa << dtype_name(dtype) << streams;
      }
    }
  }
}

TEST(Narrow, RoundsEveryKindOfFloatAsTheScalarConversion) {
  Floats x = {0.0F, -0.0F, 1.0F, 65504.0F, 65519.9F, 65520.0F, -1e30F, 6e-8F, 2.9e-8F, 6.1e-5F};
  x.push_back(std::numeric_limits<float>::infinity());
  const Floats more = normal_values(1001, 30, 3.0);
  x.insert(x.end(), more.begin(), more.end());
  for (int i = 0; i < 64; ++i)  // ties and their neighbours
    x.push_back(1.0F + 0x1p-11F * static_cast<float>(i) * 0.5F);
  std::vector<f16> y(x.size());
  for (const CpuKernels* table : all_kernels()) {
    table->narrow(x.data(), static_cast<int64_t>(x.size()), y.data());
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y[i].bits, to_f16(x[i]).bits) << table->isa << " " << x[i];
    const float nan = std::numeric_limits<float>::quiet_NaN();
    table->narrow(&nan, 1, y.data());
    EXPECT_TRUE(std::isnan(to_f32(y[0]))) << table->isa;
  }
}

TEST(Attend, ASingleVisibleKeyIsCopied) {
  const Floats q = normal_values(6 * 8, 9);
  const Floats k = normal_values(8, 10);
  const Floats v = normal_values(8, 11);
  for (const CpuKernels* table : all_kernels()) {
    Floats out(6 * 8);
    table->attend({.q = q.data(),
                   .q_stride = 8,
                   .k = k.data(),
                   .v = v.data(),
                   .kv_stride = 8,
                   .out = out.data(),
                   .out_stride = 8,
                   .queries = 6,
                   .keys = 1,
                   .head_dim = 8,
                   .first_seen = 1,
                   .causal = true,
                   .scale = 1.0F});
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_EQ(out[i], v[i % 8]) << table->isa;
  }
}

TEST(Attend, KeepsANanQueryInItsOwnRow) {
  const Floats k = normal_values(40 * 16, 19);
  for (const CpuKernels* table : all_kernels()) {
    Floats q = normal_values(40 * 16, 20);
    q[3 * 16] = std::numeric_limits<float>::quiet_NaN();
    Floats out(q.size());
    table->attend({.q = q.data(),
                   .q_stride = 16,
                   .k = k.data(),
                   .v = k.data(),
                   .kv_stride = 16,
                   .out = out.data(),
                   .out_stride = 16,
                   .queries = 40,
                   .keys = 40,
                   .head_dim = 16,
                   .first_seen = 1,
                   .causal = true,
                   .scale = 0.25F});
    for (size_t i = 0; i < out.size(); ++i) {
      EXPECT_EQ(std::isnan(out[i]), i / 16 == 3) << table->isa << " element " << i;
    }
  }
}

TEST(Norms, AreWithinTheirBoundsAtEverySize) {
  for (const int64_t size : {1, 2, 15, 16, 31, 64, 77, 256, 1000}) {
    Floats x = normal_values(size, 12, 3.0);
    for (float& value : x)
      value += 2.0F;
    const Floats weight = normal_values(size, 13);
    const Floats bias = normal_values(size, 14);
    Doubles expected(at(size));
    Floats y(at(size));
    NormArgs args{x.data(), weight.data(), bias.data(), 1e-5F, size, y.data()};
    for (const CpuKernels* table : all_kernels()) {
      reference::rms_norm(args, expected.data());
      table->rms_norm(args);
      for (size_t i = 0; i < y.size(); ++i) {
        EXPECT_NEAR(static_cast<double>(y[i]), expected[i], 1e-6 * std::abs(expected[i]));
      }
      if (size == 1) continue;  // its variance is 0: rounding of the mean is all that is left
      reference::layer_norm(args, expected.data());
      table->layer_norm(args);
      for (size_t i = 0; i < y.size(); ++i) {
        EXPECT_NEAR(static_cast<double>(y[i]), expected[i], 4e-6) << table->isa << " " << size;
      }
    }
  }
}

TEST(Softmax, SumsToOneAndSurvivesLargeScores) {
  for (const CpuKernels* table : all_kernels()) {
    for (const int64_t size : {1, 7, 16, 100}) {
      Floats x = normal_values(size, 15, 20.0);
      x[0] = 3000.0F;
      Doubles expected(at(size));
      reference::softmax(x.data(), size, expected.data());
      table->softmax(x.data(), size, x.data());
      for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_NEAR(static_cast<double>(x[i]), expected[i], 1e-6) << table->isa;
      }
    }
  }
}

/// Values from -20 to 20 and a few around zero, not a multiple of any lane count.
Floats activation_inputs() {
  Floats x;
  for (int i = -2001; i <= 2001; ++i)
    x.push_back(static_cast<float>(i) * 0.01F);
  for (const float tiny : {0.0F, -0.0F, 1e-8F, -1e-8F, 1e-30F, -1e-4F})
    x.push_back(tiny);
  return x;
}

void expect_near_in_proportion(void (*kernel)(const float*, int64_t, float*) noexcept,
                               double (*truth)(double), double share) {
  const Floats x = activation_inputs();
  Floats y(x.size());
  kernel(x.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto value = static_cast<double>(x[i]);
    ASSERT_NEAR(static_cast<double>(y[i]), truth(value), share * std::abs(value)) << "at " << value;
  }
}

TEST(Activations, StayWithinTheStatedErrors) {
  for (const CpuKernels* table : all_kernels()) {
    SCOPED_TRACE(table->isa);
    expect_near_in_proportion(table->gelu, reference::gelu, 5e-7);
    expect_near_in_proportion(table->gelu_tanh, reference::gelu_tanh, 1e-6);
    expect_near_in_proportion(table->quick_gelu, reference::quick_gelu, 1e-6);
  }
}

TEST(Activations, SiluMulStaysWithinItsRelativeError) {
  const Floats x = activation_inputs();
  const Floats up(x.size(), 3.0F);
  Floats y(x.size());
  for (const CpuKernels* table : all_kernels()) {
    table->silu_mul(x.data(), up.data(), static_cast<int64_t>(x.size()), y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = 3.0 * reference::silu(static_cast<double>(x[i]));
      ASSERT_NEAR(static_cast<double>(y[i]), expected, 1e-6 * std::abs(expected)) << table->isa;
    }
  }
}

TEST(Activations, NanStaysNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const CpuKernels* table : all_kernels()) {
    for (auto* kernel : {table->gelu, table->gelu_tanh, table->quick_gelu, table->exp}) {
      float y = 0;
      kernel(&nan, 1, &y);
      EXPECT_TRUE(std::isnan(y)) << table->isa;
    }
  }
}

TEST(Exp, HasTheStatedErrorAndEnds) {
  Floats x;
  for (int i = -8733; i <= 8872; ++i)
    x.push_back(static_cast<float>(i) * 0.01F);
  Floats y(x.size());
  for (const CpuKernels* table : all_kernels()) {
    table->exp(x.data(), static_cast<int64_t>(x.size()), y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(static_cast<double>(x[i]));
      ASSERT_NEAR(static_cast<double>(y[i]) / expected, 1.0, 2e-7) << table->isa << " at " << x[i];
    }
    const float infinity = std::numeric_limits<float>::infinity();
    const Floats ends = {-infinity, -1000.0F, -87.4F, 88.73F, 1000.0F, infinity};
    Floats result(ends.size());
    table->exp(ends.data(), 6, result.data());
    EXPECT_EQ(result, (Floats{0.0F, 0.0F, 0.0F, infinity, infinity, infinity})) << table->isa;
  }
}

TEST(Rotate, TurnsPairsOfTheTwoHalves) {
  for (const int64_t half : {1, 3, 16, 20, 32}) {
    Floats cos(at(half));
    Floats sin(at(half));
    for (int64_t i = 0; i < half; ++i) {
      cos[at(i)] = static_cast<float>(std::cos(0.1 * static_cast<double>(i + 1)));
      sin[at(i)] = static_cast<float>(std::sin(0.1 * static_cast<double>(i + 1)));
    }
    const Floats x = normal_values(3 * 2 * half, 16);
    for (const CpuKernels* table : all_kernels()) {
      Floats y = x;
      table->rotate(y.data(), cos.data(), sin.data(), 3, half);
      for (int64_t i = 0; i < 3 * 2 * half; ++i) {
        const int64_t low = i / (2 * half) * 2 * half + i % half;
        const float a = x[at(low)];
        const float b = x[at(low + half)];
        const float c = cos[at(i % half)];
        const float s = sin[at(i % half)];
        const bool is_low = i % (2 * half) < half;
        ASSERT_NEAR(y[at(i)], is_low ? a * c - b * s : b * c + a * s, 1e-6F) << table->isa;
      }
    }
  }
}

TEST(Widen, IsExactForEveryHalf) {
  std::vector<uint16_t> halves(1 << 16);
  for (size_t i = 0; i < halves.size(); ++i)
    halves[i] = static_cast<uint16_t>(i);
  Floats wide(halves.size());
  for (const CpuKernels* table : all_kernels()) {
    table->widen(DType::bf16, halves.data(), 1 << 16, wide.data());
    for (size_t i = 0; i < halves.size(); ++i) {
      const float expected = to_f32(bf16{halves[i]});
      ASSERT_EQ(std::memcmp(&wide[i], &expected, sizeof(float)), 0) << table->isa << " bf16 " << i;
    }
    table->widen(DType::f16, halves.data(), 1 << 16, wide.data());
    for (size_t i = 0; i < halves.size(); ++i) {
      const float expected = to_f32(f16{halves[i]});
      if (std::isnan(expected)) {  // the CPU sets the quiet bit
        ASSERT_TRUE(std::isnan(wide[i])) << table->isa << " f16 " << i;
      } else {
        ASSERT_EQ(wide[i], expected) << table->isa << " f16 " << i;
      }
    }
  }
}

TEST(Vectors, AddDotAndAxpyMatchPlainLoopsAtEverySize) {
  for (const int64_t size : {0, 1, 7, 16, 63, 64, 65, 130}) {
    const Floats a = normal_values(size, 17);
    const Floats b = normal_values(size, 18);
    double expected_dot = 0;
    for (int64_t i = 0; i < size; ++i) {
      expected_dot += static_cast<double>(a[at(i)]) * static_cast<double>(b[at(i)]);
    }
    for (const CpuKernels* table : all_kernels()) {
      EXPECT_NEAR(static_cast<double>(table->dot(a.data(), b.data(), size)), expected_dot, 1e-4);
      Floats sum(at(size));
      table->add(a.data(), b.data(), size, sum.data());
      Floats scaled = b;
      table->axpy(2.0F, a.data(), size, scaled.data());
      for (int64_t i = 0; i < size; ++i) {
        EXPECT_EQ(sum[at(i)], a[at(i)] + b[at(i)]);
        EXPECT_NEAR(scaled[at(i)], 2.0F * a[at(i)] + b[at(i)], 1e-6F);
      }
    }
  }
}

}  // namespace
}  // namespace vila::kernels
