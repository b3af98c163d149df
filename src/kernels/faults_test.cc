// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/kernels.h"
#include "kernels/reference.h"
#include "kernels/select.h"
#include "support/packed_problem.h"

/// What no model should produce and any may: every kernel of every table on zeros, denormals, huge
/// values, infinities and NaN, on no rows, and on memory aligned to its elements and no better.
namespace vila::kernels {
namespace {

using namespace test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kLargest = std::numeric_limits<float>::max();
constexpr float kFaults[] = {0.0F,   -0.0F, 1e-40F,    -1e-45F,    3e38F,
                             -3e38F, 1e30F, kInfinity, -kInfinity, kNan};

bool same_bits(const float* a, const float* b, int64_t count) {
  return std::memcmp(a, b, at(count) * sizeof(float)) == 0;
}

/// The same kind of value as a float: NaN, infinity of one sign, or finite.
void expect_same_kind(float value, double expected, const std::string& where) {
  EXPECT_EQ(std::isnan(value), std::isnan(expected)) << where << ": " << value << " " << expected;
  if (std::isinf(expected)) {
    EXPECT_EQ(value, static_cast<float>(expected)) << where;
  }
}

// --- Products ---

constexpr Shape3 kShape{15, 64, 35, 32};  // rows and columns that fill no tile

/// A product of any rows and one fixed W, and the same in double with what its error goes by.
struct Product {
  std::string name;
  std::function<Floats(const CpuKernels&, const Floats& x, int64_t rows)> run;
  std::function<void(const Floats& x, int64_t rows, Doubles& y, Doubles& magnitude)> truth;
};

/// gemm() or, given packed weights, gemm_dequantised().
Floats run_float(const CpuKernels& table, const Floats& x, int64_t rows, const void* weight,
                 DType dtype, const PackedMatrix* packed) {
  Floats panels(x.size() + 1);
  Floats y(at(rows * kShape.columns));
  const int64_t panel = panel_rows(rows, table.tile_rows);
  table.pack_rows({.x = x.data(),
                   .x_stride = kShape.depth,
                   .rows = rows,
                   .depth = kShape.depth,
                   .panel_rows = panel,
                   .row_begin = 0,
                   .row_end = rows,
                   .packed = panels.data()});
  const GemmArgs args{.packed_x = panels.data(),
                      .weight = weight,
                      .weight_dtype = dtype,
                      .weight_stride = kShape.depth,
                      .bias = nullptr,
                      .y = y.data(),
                      .y_stride = kShape.columns,
                      .rows = rows,
                      .depth = kShape.depth,
                      .panel_rows = panel,
                      .row_begin = 0,
                      .row_end = rows,
                      .column_begin = 0,
                      .column_end = kShape.columns};
  if (packed == nullptr) {
    table.gemm(args);
  } else {
    table.gemm_dequantised(args, raw(*packed));
  }
  return y;
}

/// The product by W in double, W as floats.
void float_truth(const Floats& x, int64_t rows, const float* w, Doubles& y, Doubles& magnitude) {
  const reference::Gemm args{x.data(), w, nullptr, rows, kShape.depth, kShape.columns};
  reference::gemm(args, y.data());
  reference::gemm_magnitude(args, magnitude.data());
}

Product float_product(DType dtype) {
  const Floats values = normal_values(kShape.columns * kShape.depth, 2);
  const Tensor weight =
      Tensor::view(DType::f32, {kShape.columns, kShape.depth}, values.data()).to(dtype);
  const Tensor wide = weight.to(DType::f32);
  return {"gemm " + std::string(dtype_name(dtype)),
          [weight](const CpuKernels& table, const Floats& x, int64_t rows) {
            return run_float(table, x, rows, weight.raw(), weight.dtype(), nullptr);
          },
          [wide](const Floats& x, int64_t rows, Doubles& y, Doubles& magnitude) {
            float_truth(x, rows, wide.data<float>(), y, magnitude);
          }};
}

Product dequantised_product(Kind kind) {
  const PackedMatrix packed = random_weight(kShape, kind);
  const Tensor wide = dequantise(packed);
  return {"gemm_dequantised " + std::to_string(static_cast<int>(kind)),
          [packed](const CpuKernels& table, const Floats& x, int64_t rows) {
            return run_float(table, x, rows, nullptr, DType::f32, &packed);
          },
          [wide](const Floats& x, int64_t rows, Doubles& y, Doubles& magnitude) {
            float_truth(x, rows, wide.data<float>(), y, magnitude);
          }};
}

Product packed_product(Kind kind) {
  const PackedMatrix packed = random_weight(kShape, kind);
  return {"gemm_packed " + std::to_string(static_cast<int>(kind)),
          [packed](const CpuKernels& table, const Floats& x, int64_t rows) {
            Shape3 shape = kShape;
            shape.rows = rows;
            return run_packed(table, shape, x, packed, nullptr);
          },
          [packed](const Floats& x, int64_t rows, Doubles& y, Doubles& magnitude) {
            reference::gemm_packed({x.data(), rows, packed, nullptr}, y.data(), magnitude.data());
          }};
}

std::vector<Product> products() {
  std::vector<Product> all;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
    all.push_back(float_product(dtype));
  for (const Kind kind : kKinds) {
    all.push_back(dequantised_product(kind));
    all.push_back(packed_product(kind));
  }
  return all;
}

/// Row 4 consists of the fault, row 9 has one in it.
Floats rows_with(float fault) {
  Floats x = normal_values(kShape.rows * kShape.depth, 1);
  std::fill_n(x.begin() + 4 * kShape.depth, kShape.depth, fault);
  x[at(9 * kShape.depth + 63)] = fault;
  return x;
}

void expect_rows_right(const Product& product, const Floats& x, const Floats& y,
                       const std::string& where) {
  Doubles expected(y.size());
  Doubles magnitude(y.size());
  product.truth(x, kShape.rows, expected, magnitude);
  for (size_t i = 0; i < y.size(); ++i) {
    if (!std::isfinite(magnitude[i])) {
      ASSERT_FALSE(std::isfinite(y[i])) << where << " element " << i;
    } else if (magnitude[i] < kLargest) {
      // Sums of f32 and, of denormal products, the smallest float each.
      const double bound = (kShape.depth + 4) * (0x1p-23 * magnitude[i] + 0x1p-149);
      ASSERT_NEAR(static_cast<double>(y[i]), expected[i], bound) << where << " element " << i;
    } else if (std::isfinite(y[i])) {
      ASSERT_NEAR(static_cast<double>(y[i]), expected[i], 1e-4 * magnitude[i]) << where;
    }
  }
}

TEST(ProductFaults, AreRightInTheirOwnRowsAndUnseenInOthers) {
  const Floats clean_x = normal_values(kShape.rows * kShape.depth, 1);
  for (const CpuKernels* table : all_kernels()) {
    for (const Product& product : products()) {
      const Floats clean = product.run(*table, clean_x, kShape.rows);
      for (const float fault : kFaults) {
        const std::string where =
            std::string(table->isa) + " " + product.name + " fault " + std::to_string(fault);
        const Floats x = rows_with(fault);
        const Floats y = product.run(*table, x, kShape.rows);
        expect_rows_right(product, x, y, where);
        for (int64_t row = 0; row < kShape.rows; ++row) {
          if (row == 4 || row == 9) continue;
          EXPECT_TRUE(same_bits(&y[at(row * kShape.columns)], &clean[at(row * kShape.columns)],
                                kShape.columns))
              << where << " row " << row;
        }
      }
    }
  }
}

TEST(ProductFaults, NoRowsAndOneTokenAreShapesLikeOthers) {
  const Floats one = normal_values(kShape.depth, 7);
  Doubles expected(at(kShape.columns));
  Doubles magnitude(expected.size());
  for (const CpuKernels* table : all_kernels()) {
    for (const Product& product : products()) {
      EXPECT_TRUE(product.run(*table, {}, 0).empty()) << table->isa << product.name;
      const Floats y = product.run(*table, one, 1);
      product.truth(one, 1, expected, magnitude);
      for (size_t i = 0; i < y.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(y[i]), expected[i],
                    (kShape.depth + 4) * 0x1p-23 * magnitude[i])
            << table->isa << " " << product.name;
      }
    }
  }
}

TEST(ProductFaults, PackedWeightsNeedTheAlignmentOfAHalfOnly) {
  const Floats x = normal_values(kShape.rows * kShape.depth, 1);
  for (const CpuKernels* table : all_kernels()) {
    for (const Kind kind : kKinds) {
      const PackedMatrix aligned = random_weight(kShape, kind);
      PackedMatrix moved = aligned;
      const auto bytes = static_cast<int64_t>(aligned.data.nbytes());
      const Tensor space = Tensor::zeros(DType::u8, {bytes + 2});
      auto* start = const_cast<uint8_t*>(space.data<uint8_t>()) + 2;
      std::memcpy(start, aligned.data.raw(), at(bytes));
      moved.data = Tensor::view(DType::u8, {bytes}, start);
      EXPECT_EQ(run_packed(*table, kShape, x, moved, nullptr),
                run_packed(*table, kShape, x, aligned, nullptr))
          << table->isa;
    }
  }
}

TEST(ProductFaults, FloatWeightsNeedTheAlignmentOfAnElementOnly) {
  const Floats x = normal_values(kShape.rows * kShape.depth, 1);
  const int64_t count = kShape.columns * kShape.depth;
  const Floats values = normal_values(count + 1, 2);
  for (const CpuKernels* table : all_kernels()) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      const Tensor moved = Tensor::view(DType::f32, {count + 1}, values.data()).to(dtype);
      const Tensor aligned = Tensor::view(DType::f32, {count}, values.data() + 1).to(dtype);
      const auto* second = static_cast<const std::byte*>(moved.raw()) + dtype_size(dtype);
      EXPECT_EQ(run_float(*table, x, kShape.rows, second, dtype, nullptr),
                run_float(*table, x, kShape.rows, aligned.raw(), dtype, nullptr))
          << table->isa << " " << dtype_name(dtype);
    }
  }
}

// --- Attention ---

constexpr int64_t kQueries = 20;
constexpr int64_t kHeadDim = 24;

/// Causal attention of kQueries queries on as many keys.
struct Causal {
  Floats q = normal_values(kQueries * kHeadDim, 40);
  Floats k = normal_values(kQueries * kHeadDim, 41);
  Floats v = normal_values(kQueries * kHeadDim, 42);

  Floats run(const CpuKernels& table, bool streams) const {
    Floats out(q.size());
    table.attend({.q = q.data(),
                  .q_stride = kHeadDim,
                  .k = k.data(),
                  .v = v.data(),
                  .kv_stride = kHeadDim,
                  .out = out.data(),
                  .out_stride = kHeadDim,
                  .queries = kQueries,
                  .keys = kQueries,
                  .head_dim = kHeadDim,
                  .first_seen = 1,
                  .causal = true,
                  .scale = 0.2F,
                  .streams = streams});
    return out;
  }
};

/// Rows [0, end) of two results are the same bits.
void expect_same_rows(const Floats& a, const Floats& b, int64_t end, const std::string& where) {
  EXPECT_TRUE(same_bits(a.data(), b.data(), end * kHeadDim)) << where;
}

TEST(AttentionFaults, AQueryHarmsNoOther) {
  for (const CpuKernels* table : all_kernels()) {
    for (const bool streams : {false, true}) {
      const Floats clean = Causal{}.run(*table, streams);
      for (const float fault : kFaults) {
        const std::string where = std::string(table->isa) + " fault " + std::to_string(fault);
        Causal causal;
        std::fill_n(causal.q.begin() + 7 * kHeadDim, kHeadDim, fault);
        const Floats out = causal.run(*table, streams);
        expect_same_rows(out, clean, 7, where);
        EXPECT_TRUE(same_bits(&out[8 * kHeadDim], &clean[8 * kHeadDim], 12 * kHeadDim)) << where;
        for (int64_t e = 0; e < kHeadDim; ++e) {
          const float value = out[at(7 * kHeadDim + e)];
          if (!std::isfinite(fault)) {
            EXPECT_TRUE(std::isnan(value)) << where;
          } else if (std::abs(fault) < 1.0F) {  // equal scores: the mean of what it sees
            double mean = 0;
            for (int64_t j = 0; j < 8; ++j)
              mean += static_cast<double>(causal.v[at(j * kHeadDim + e)]) / 8;
            EXPECT_NEAR(static_cast<double>(value), mean, 5e-6) << where;
          }
        }
      }
    }
  }
}

TEST(AttentionFaults, AKeyOrValueHarmsNoQueryBeforeIt) {
  for (const CpuKernels* table : all_kernels()) {
    for (const bool streams : {false, true}) {
      const Floats clean = Causal{}.run(*table, streams);
      for (const float fault : kFaults) {
        const std::string where = std::string(table->isa) + (streams ? " stream" : "") + " fault " +
                                  std::to_string(fault);
        Causal keys;
        keys.k[at(11 * kHeadDim + 3)] = fault;
        const Floats by_key = keys.run(*table, streams);
        expect_same_rows(by_key, clean, 11, where + " key");
        Causal values;
        values.v[at(11 * kHeadDim + 3)] = fault;
        const Floats by_value = values.run(*table, streams);
        expect_same_rows(by_value, clean, 11, where + " value");
        for (int64_t i = 11; i < kQueries && std::isnan(fault); ++i) {
          EXPECT_TRUE(std::isnan(by_key[at(i * kHeadDim)])) << where << " row " << i;
          EXPECT_TRUE(std::isnan(by_value[at(i * kHeadDim + 3)])) << where << " row " << i;
        }
      }
    }
  }
}

TEST(AttentionFaults, NoQueriesWriteNothing) {
  for (const CpuKernels* table : all_kernels()) {
    for (const bool streams : {false, true}) {
      const Floats k = normal_values(kHeadDim, 43);
      float out = 99.0F;
      table->attend({.q = nullptr,
                     .q_stride = kHeadDim,
                     .k = k.data(),
                     .v = k.data(),
                     .kv_stride = kHeadDim,
                     .out = &out,
                     .out_stride = kHeadDim,
                     .queries = 0,
                     .keys = 1,
                     .head_dim = kHeadDim,
                     .first_seen = 1,
                     .causal = true,
                     .scale = 1.0F,
                     .streams = streams});
      EXPECT_EQ(out, 99.0F) << table->isa;
    }
  }
}

// --- Rows and elements ---

/// The faults, each at every place of a vector register and behind the last whole one.
Floats all_faults() {
  Floats x;
  for (size_t shift = 0; shift < 17; ++shift) {
    x.insert(x.end(), shift, 0.5F);
    x.insert(x.end(), std::begin(kFaults), std::end(kFaults));
  }
  return x;
}

TEST(ElementFaults, ActivationsGiveTheKindOfValueThatTheirFormulaGives) {
  const Floats x = all_faults();
  const Floats ones(x.size(), 1.0F);
  const auto size = static_cast<int64_t>(x.size());
  Floats y(x.size());
  const auto check = [&](const std::string& where, double (*truth)(double)) {
    for (size_t i = 0; i < x.size(); ++i) {
      const auto value = static_cast<double>(x[i]);
      const double expected = truth(value);
      expect_same_kind(y[i], expected, where);
      if (std::isfinite(expected)) {
        EXPECT_NEAR(static_cast<double>(y[i]), expected, 1e-6 * std::abs(value) + 0x1p-148)
            << where;
      }
    }
  };
  for (const CpuKernels* table : all_kernels()) {
    const std::string isa = table->isa;
    table->gelu(x.data(), size, y.data());
    check(isa + " gelu", reference::gelu);
    table->gelu_tanh(x.data(), size, y.data());
    check(isa + " gelu_tanh", reference::gelu_tanh);
    table->quick_gelu(x.data(), size, y.data());
    check(isa + " quick_gelu", reference::quick_gelu);
    table->silu_mul(x.data(), ones.data(), size, y.data());
    check(isa + " silu_mul", reference::silu);
  }
}

using Norm = void (*)(const NormArgs&);

/// Right to a share of each element, and the same bits in place.
void expect_norm_right(Norm kernel, void (*truth)(const NormArgs&, double*), Floats x,
                       const std::string& where) {
  const auto size = static_cast<int64_t>(x.size());
  const Floats weight = normal_values(size, 13);
  Doubles expected(x.size());
  Floats y(x.size());
  truth({x.data(), weight.data(), nullptr, 1e-5F, size, nullptr}, expected.data());
  kernel({x.data(), weight.data(), nullptr, 1e-5F, size, y.data()});
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(expected[i])) {
      ASSERT_NEAR(static_cast<double>(y[i]), expected[i], 1e-5 * (1 + std::abs(expected[i])))
          << where << " element " << i;
    }
  }
  kernel({x.data(), weight.data(), nullptr, 1e-5F, size, x.data()});
  EXPECT_TRUE(same_bits(x.data(), y.data(), size)) << where;
}

TEST(RowFaults, NormsOfZerosDenormalsAndHugeRowsAreRight) {
  for (const CpuKernels* table : all_kernels()) {
    for (const float fault : kFaults) {
      const std::string where = std::string(table->isa) + " fault " + std::to_string(fault);
      Floats one = normal_values(77, 12);
      one[76] = fault;
      const Floats all(77, fault);
      expect_norm_right(table->rms_norm, reference::rms_norm, one, where + " rms");
      expect_norm_right(table->rms_norm, reference::rms_norm, all, where + " rms of all");
      expect_norm_right(table->layer_norm, reference::layer_norm, one, where + " layer");
      // Of equal huge elements, what is left of their mean is rounding, which has no truth.
      if (std::abs(fault) < 1.0F)
        expect_norm_right(table->layer_norm, reference::layer_norm, all, where + " layer of all");
    }
  }
}

TEST(RowFaults, NormsShowNanAndInfinity) {
  const Floats weight(33, 1.0F);
  for (const CpuKernels* table : all_kernels()) {
    for (const float fault : {kNan, kInfinity, -kInfinity}) {
      for (const auto kernel : {table->rms_norm, table->layer_norm}) {
        Floats x = normal_values(33, 12);
        x[32] = fault;
        kernel({x.data(), weight.data(), nullptr, 1e-5F, 33, x.data()});
        EXPECT_TRUE(std::isnan(x[32])) << table->isa << " " << fault;
      }
    }
  }
}

TEST(RowFaults, SoftmaxIsAProbabilityOrNan) {
  for (const CpuKernels* table : all_kernels()) {
    for (const float fault : kFaults) {
      Floats x = normal_values(19, 14);
      x[17] = fault;
      Floats y(x.size());
      table->softmax(x.data(), 19, y.data());
      double total = 0;
      for (const float p : y)
        total += static_cast<double>(p);
      const bool is_number = !std::isnan(fault) && fault != kInfinity;
      if (is_number) {
        EXPECT_NEAR(total, 1.0, 1e-6) << table->isa << " " << fault;
      } else {
        EXPECT_TRUE(std::isnan(total)) << table->isa << " " << fault;
      }
    }
  }
}

TEST(RowFaults, VectorsOfNoElementsAreLeftAlone) {
  float y = 99.0F;
  f16 half{77};
  for (const CpuKernels* table : all_kernels()) {
    for (auto* kernel : {table->gelu, table->gelu_tanh, table->quick_gelu, table->exp})
      kernel(nullptr, 0, &y);
    table->add(nullptr, nullptr, 0, &y);
    table->silu_mul(nullptr, nullptr, 0, &y);
    table->axpy(2.0F, nullptr, 0, &y);
    table->narrow(nullptr, 0, &half);
    table->widen(DType::f16, nullptr, 0, &y);
    EXPECT_EQ(table->dot(nullptr, nullptr, 0), 0.0F);
    EXPECT_EQ(y, 99.0F) << table->isa;
    EXPECT_EQ(half.bits, 77) << table->isa;
  }
}

}  // namespace
}  // namespace vila::kernels
