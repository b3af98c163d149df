// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/kernels.h"
#include "kernels/reference.h"
#include "kernels/select.h"
#include "support/packed_problem.h"
#include "tensor/packed_matrix.h"

namespace vila::kernels {
namespace {

using namespace test;

Floats with_faults(const Shape3& shape) {
  Floats x = normal_values(shape.rows * shape.depth, 1);
  if (shape.rows > 2) {
    std::fill_n(x.begin() + shape.depth, shape.group, 0.0F);        // a group of zeros
    std::fill_n(x.begin() + 2 * shape.depth, shape.group, 1e-39F);  // and one of subnormals
    x[0] = 3e38F;                                                   // nearly the largest float
  }
  return x;
}

TEST(QuantiseRows, GivesTheBitsOfThePlainLoop) {
  const Shape3 shapes[] = {{1, 32, 1, 32},  {3, 24, 1, 4},     {5, 256, 1, 128},
                           {17, 96, 1, 32}, {29, 588, 1, 588}, {0, 32, 1, 32}};
  for (const CpuKernels* table : all_kernels()) {
    for (const Shape3& shape : shapes) {
      SCOPED_TRACE(std::string(table->isa) + " " + shape.text());
      Floats x = with_faults(shape);
      if (shape.rows > 3) x[at(3 * shape.depth)] = std::numeric_limits<float>::infinity();
      const QuantisedRows result(*table, shape, x);
      const int64_t groups = shape.depth / shape.group;
      std::vector<int8_t> codes(at(shape.group));
      for (int64_t m = 0; m < shape.rows; ++m) {
        const int64_t first = m / result.panel * result.panel;
        const int64_t r = std::min(result.panel, shape.rows - first);
        for (int64_t g = 0; g < groups; ++g) {
          const auto expected = reference::quantise_group(&x[at(m * shape.depth + g * shape.group)],
                                                          shape.group, codes.data());
          const int64_t place = first * groups + g * r + m - first;
          ASSERT_EQ(std::memcmp(&result.scales[at(place)], &expected.scale, sizeof(float)) == 0 ||
                        std::isnan(expected.scale),
                    true)
              << result.scales[at(place)] << " for " << expected.scale;
          ASSERT_EQ(std::isnan(result.scales[at(place)]), std::isnan(expected.scale));
          ASSERT_EQ(result.sums[at(place)], static_cast<float>(expected.sum));
          for (int64_t j = 0; j < shape.group; ++j) {
            const int64_t k = g * shape.group + j;
            ASSERT_EQ(
                result.codes[at(first * shape.depth + k / 4 * 4 * r + 4 * (m - first) + k % 4)],
                codes[at(j)]);
          }
        }
      }
    }
  }
}

TEST(QuantiseRows, IsWithinHalfAStep) {
  const Shape3 shape{3, 256, 1, 64};
  const Floats x = normal_values(shape.rows * shape.depth, 3);
  std::vector<int8_t> codes(at(shape.group));
  for (int64_t first = 0; first < shape.rows * shape.depth; first += shape.group) {
    const auto group = reference::quantise_group(&x[at(first)], shape.group, codes.data());
    for (int64_t k = 0; k < shape.group; ++k) {
      EXPECT_NEAR(group.scale * static_cast<float>(codes[at(k)]), x[at(first + k)],
                  group.scale * 0.50001F);
    }
  }
}

void expect_within_contract(const CpuKernels& table, const Shape3& shape, Kind kind) {
  const PackedMatrix weight = random_weight(shape, kind);
  const Floats x = with_faults(shape);
  const Floats bias = normal_values(shape.columns, 3);
  Doubles expected(at(shape.rows * shape.columns));
  Doubles magnitude(expected.size());
  reference::gemm_packed({x.data(), shape.rows, weight, bias.data()}, expected.data(),
                         magnitude.data());
  const Floats y = run_packed(table, shape, x, weight, bias.data());
  const auto groups = static_cast<double>(shape.depth / shape.group);
  for (size_t i = 0; i < y.size(); ++i) {
    if (std::abs(expected[i]) > 1e38) continue;  // overflows f32 in the rows of 3e38
    ASSERT_NEAR(static_cast<double>(y[i]), expected[i], (groups + 4) * 0x1p-23 * magnitude[i])
        << table.isa << " " << shape.text() << " element " << i;
  }
}

TEST(GemmPacked, IsWithinItsBoundForOddShapesOfEveryKind) {
  const Shape3 shapes[] = {{1, 8, 1, 8},       {1, 128, 16, 128}, {2, 64, 31, 32},
                           {3, 72, 33, 24},    {4, 256, 40, 128}, {5, 1408, 16, 64},
                           {7, 40, 7, 8},      {8, 384, 64, 128}, {14, 64, 17, 64},
                           {15, 2304, 20, 32}, {29, 588, 9, 196}, {37, 1024, 48, 512},
                           {3, 5120, 16, 5120}};
  for (const CpuKernels* table : all_kernels()) {
    for (const Shape3& shape : shapes) {
      for (const Kind kind : kKinds) {
        if (is_8bit(kind) || shape.group % 8 == 0) expect_within_contract(*table, shape, kind);
      }
    }
  }
}

/// All codes alike, scale 1, zero point `zero`.
PackedMatrix constant_weight(const Shape3& shape, unsigned code, float zero) {
  Q4Matrix matrix = Q4Matrix::zeros(shape.columns, shape.depth, shape.group);
  for (uint8_t& byte : matrix.codes.values<uint8_t>())
    byte = static_cast<uint8_t>(code * 17);
  std::ranges::fill(matrix.scales.values<float>(), 1.0F);
  std::ranges::fill(matrix.offsets.values<float>(), -zero);
  return pack(matrix);
}

TEST(GemmPacked, IsExactWhereEveryProductIsTheLargest) {
  const Shape3 shape{5, 1024, 17, 128};
  for (const CpuKernels* table : all_kernels()) {
    for (const float sign : {1.0F, -1.0F}) {
      const Floats x(at(shape.rows * shape.depth), 127.0F * sign);
      for (const float y : run_packed(*table, shape, x, constant_weight(shape, 15, 0), nullptr))
        ASSERT_EQ(y, 15.0F * 127.0F * 1024.0F * sign) << table->isa;
      for (const float y : run_packed(*table, shape, x, constant_weight(shape, 0, 15), nullptr))
        ASSERT_EQ(y, -15.0F * 127.0F * 1024.0F * sign) << table->isa;
    }
  }
}

TEST(GemmPacked, IsExactForBytesThatWouldSaturateSixteenBits) {
  const Shape3 shape{5, 1024, 17, 512};
  for (const CpuKernels* table : all_kernels()) {
    for (const int value : {-127, 127}) {
      Tensor weight = Tensor::empty(DType::f32, {shape.columns, shape.depth});
      std::ranges::fill(weight.values<float>(), static_cast<float>(value));
      const Floats x(at(shape.rows * shape.depth), -127.0F);
      for (const float y : run_packed(*table, shape, x, quantise_rows_8bit(weight, 512), nullptr))
        ASSERT_EQ(y, -127.0F * 1024.0F * static_cast<float>(value)) << table->isa;
    }
    // The codes 0 and 255 that quantise_rows_8bit() never gives, from a file of someone else.
    PackedMatrix odd = quantise_rows_8bit(Tensor::zeros(DType::f32, {17, 1024}), 512);
    for (const int code : {0, 255}) {
      for (int64_t g = 0; g < 4; ++g) {
        uint8_t* group = odd.data.data<uint8_t>() + g * (odd.code_bytes() + 64);
        std::fill_n(group, odd.code_bytes(), static_cast<uint8_t>(code));
        std::fill_n(reinterpret_cast<f16*>(group + odd.code_bytes()), 16, to_f16(1.0F));
      }
      const Floats x(at(shape.rows * shape.depth), 127.0F);
      for (const float y : run_packed(*table, shape, x, odd, nullptr))
        ASSERT_EQ(y, 127.0F * 1024.0F * static_cast<float>(code - 128)) << table->isa;
    }
  }
}

/// Narrow codes stand at the edge of 16 bits: 2 * 128 * 127 of 32767.
TEST(GemmPacked, IsExactForTheLargestNarrowBytes) {
  for (const int64_t group : {512, 1276, 1280}) {  // 1280 is too large for the narrow path
    const Shape3 shape{7, 2 * group, 17, group};
    for (const CpuKernels* table : all_kernels()) {
      for (const int value : {-64, 64}) {
        Tensor weight = Tensor::empty(DType::f32, {shape.columns, shape.depth});
        std::ranges::fill(weight.values<float>(), static_cast<float>(value));
        const PackedMatrix narrow = quantise_rows_narrow(weight, group);
        for (const float sign : {1.0F, -1.0F}) {
          const Floats x(at(shape.rows * shape.depth), 127.0F * sign);
          for (const float y : run_packed(*table, shape, x, narrow, nullptr)) {
            ASSERT_EQ(y, sign * 127.0F * static_cast<float>(shape.depth * value))
                << table->isa << " group " << group;
          }
        }
      }
    }
  }
}

TEST(GemmPacked, TablesAgreeToTheRoundingOfFloats) {
  const Shape3 shape{6, 512, 40, 64};
  const Floats x = normal_values(shape.rows * shape.depth, 8);
  for (const Kind kind : kKinds) {
    const PackedMatrix weight = random_weight(shape, kind);
    const Floats expected = run_packed(*all_kernels().front(), shape, x, weight, nullptr);
    for (const CpuKernels* table : all_kernels()) {
      const Floats y = run_packed(*table, shape, x, weight, nullptr);
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_NEAR(y[i], expected[i], 2e-6F * static_cast<float>(shape.depth)) << table->isa;
    }
  }
}

TEST(GemmPacked, GivesARowTheSameBitsAloneAndInABatch) {
  const Shape3 shape{64, 1536, 70, 32};
  const Floats x = normal_values(shape.rows * shape.depth, 4);
  for (const Kind kind : kKinds) {
    const PackedMatrix weight = random_weight(shape, kind);
    for (const CpuKernels* table : all_kernels()) {
      const Floats batch = run_packed(*table, shape, x, weight, nullptr);
      for (const int64_t row : {0, 13, 14, 40, 63}) {
        const Floats one(x.begin() + row * shape.depth, x.begin() + (row + 1) * shape.depth);
        const Floats single =
            run_packed(*table, {1, shape.depth, shape.columns, shape.group}, one, weight, nullptr);
        EXPECT_EQ(std::memcmp(single.data(), &batch[at(row * shape.columns)],
                              single.size() * sizeof(float)),
                  0)
            << table->isa << " row " << row;
      }
    }
  }
}

TEST(GemmPacked, KeepsNanAndInfinityInTheirOwnRow) {
  const Shape3 shape{15, 64, 35, 32};
  Floats x = normal_values(shape.rows * shape.depth, 9);
  x[at(3 * shape.depth + 5)] = std::numeric_limits<float>::quiet_NaN();
  x[at(9 * shape.depth + 63)] = -std::numeric_limits<float>::infinity();
  for (const CpuKernels* table : all_kernels()) {
    for (const Kind kind : kKinds) {
      const Floats y = run_packed(*table, shape, x, random_weight(shape, kind), nullptr);
      for (int64_t i = 0; i < shape.rows * shape.columns; ++i) {
        const int64_t row = i / shape.columns;
        ASSERT_EQ(std::isnan(y[at(i)]), row == 3 || row == 9) << table->isa << " row " << row;
      }
    }
  }
}

/// gemm_dequantised() against gemm() on the dequantised matrix.
void expect_dequantised_like_float(const CpuKernels& table, const Shape3& shape, Kind kind) {
  const PackedMatrix weight = random_weight(shape, kind);
  const Tensor wide = dequantise(weight);
  const Floats x = normal_values(shape.rows * shape.depth, 10);
  const Floats bias = normal_values(shape.columns, 11);
  const int64_t panel = panel_rows(shape.rows, table.tile_rows);
  Floats packed(x.size());
  table.pack_rows({.x = x.data(),
                   .x_stride = shape.depth,
                   .rows = shape.rows,
                   .depth = shape.depth,
                   .panel_rows = panel,
                   .row_begin = 0,
                   .row_end = shape.rows,
                   .packed = packed.data()});
  Floats y(at(shape.rows * shape.columns), 99.0F);
  Floats expected(y);
  GemmArgs args{.packed_x = packed.data(),
                .weight = wide.raw(),
                .weight_dtype = DType::f32,
                .weight_stride = shape.depth,
                .bias = bias.data(),
                .y = expected.data(),
                .y_stride = shape.columns,
                .rows = shape.rows,
                .depth = shape.depth,
                .panel_rows = panel,
                .row_begin = 0,
                .row_end = shape.rows,
                .column_begin = 0,
                .column_end = shape.columns};
  table.gemm(args);
  args.weight = nullptr;
  args.y = y.data();
  table.gemm_dequantised(args, raw(weight));
  // Zero points dequantise to the same bits, offsets with one rounding less where there is an FMA.
  const float bound = kind == Kind::offsets ? 2e-6F * static_cast<float>(shape.depth) : 0.0F;
  for (size_t i = 0; i < y.size(); ++i)
    ASSERT_NEAR(y[i], expected[i], bound) << table.isa << " " << shape.text() << " element " << i;
}

TEST(GemmDequantised, IsGemmOnTheDequantisedWeights) {
  const Shape3 shapes[] = {{1, 8, 1, 8},      {2, 64, 31, 32},    {5, 1408, 16, 64},
                           {29, 588, 9, 196}, {37, 768, 70, 128}, {3, 1200, 33, 24}};
  for (const CpuKernels* table : all_kernels()) {
    for (const Shape3& shape : shapes) {
      for (const Kind kind : kKinds) {
        if (is_8bit(kind) || shape.group % 8 == 0)
          expect_dequantised_like_float(*table, shape, kind);
      }
    }
  }
}

}  // namespace
}  // namespace vila::kernels
