// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "kernels/peak.h"
#include "vila/error.h"

namespace vila::kernels {
namespace {

TEST(Select, ScalarIsAlwaysThereAndTheBestIsTheLast) {
  EXPECT_STREQ(all_kernels().front()->isa, "scalar");
  EXPECT_EQ(&best_kernels(), all_kernels().back());
}

// Set where the CPU is known, as under QEMU (tests/cross).
TEST(Select, PicksTheBestOfACpuThatIsKnown) {
  const char* expected = std::getenv("VILA_EXPECTED_ISA");
  if (expected == nullptr) GTEST_SKIP() << "VILA_EXPECTED_ISA is not set";
  EXPECT_STREQ(best_kernels().isa, expected);
}

TEST(Select, FindsEachTableByItsName) {
  for (const CpuKernels* table : all_kernels())
    EXPECT_EQ(&kernels_named(table->isa), table);
}

TEST(Select, RefusesAnUnknownNameAndListsTheUsableOnes) {
  try {
    kernels_named("mmx");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find("\"mmx\""), std::string::npos);
    for (const CpuKernels* table : all_kernels()) {
      EXPECT_NE(error.message().find(table->isa), std::string::npos);
    }
  }
}

TEST(Select, SplitsRowsIntoNearlyEqualPanels) {
  EXPECT_EQ(panel_rows(0, 14), 1);
  EXPECT_EQ(panel_rows(1, 14), 1);
  EXPECT_EQ(panel_rows(14, 14), 14);
  EXPECT_EQ(panel_rows(16, 14), 8);
  EXPECT_EQ(panel_rows(37, 14), 13);
}

TEST(Peak, MeasuresSomethingPlausible) {
  ThreadPool pool(1);
  for (const CpuKernels* table : all_kernels()) {
    const double flops = measure_fma_peak(*table, pool, 0.01);
    EXPECT_GT(flops, 1e7) << table->isa;
    EXPECT_LT(flops, 1e12) << table->isa;
    const double dots = measure_dot_peak(*table, pool, 0.01);
    EXPECT_GT(dots, 1e7) << table->isa;
    EXPECT_LT(dots, 1e13) << table->isa;
  }
  EXPECT_GT(measure_read_bandwidth(best_kernels(), pool, 4 << 20), 1e7);
}

}  // namespace
}  // namespace vila::kernels
