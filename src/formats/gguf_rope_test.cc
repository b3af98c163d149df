// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_rope.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vila::formats {
namespace {

Json llama3(double factor, double low, double high, int64_t original) {
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", low},
          {"high_freq_factor", high},
          {"original_max_position_embeddings", original}};
}

constexpr RopeBase kLlama31 = {.head_dim = 128, .theta = 500000};

// Computed apart in Python's float64 from the definition in Llama-3.1's model.py (apply_scaling):
// theta 500000, 128 dimensions, factor 8, factors 1 and 4, 8192 positions. Waves 0 … 28 keep their
// frequency, those from 35 on have an eighth of it.
TEST(GgufRope, FactorsOfLlama31AreThoseOfItsDefinition) {
  const std::vector<float> factors = llama3_rope_factors(llama3(8, 1, 4, 8192), kLlama31);
  ASSERT_EQ(factors.size(), 64U);
  EXPECT_EQ(factors[0], 1);
  EXPECT_EQ(factors[28], 1);
  EXPECT_NEAR(factors[29], 1.2074839, 1e-6);
  EXPECT_NEAR(factors[32], 2.6945297, 1e-6);
  EXPECT_NEAR(factors[34], 5.2573266, 1e-6);
  EXPECT_EQ(factors[36], 8);
  EXPECT_EQ(factors[63], 8);
}

TEST(GgufRope, FindsTheScalingThatFactorsComeFrom) {
  for (const Json& scaling :
       {llama3(8, 1, 4, 8192), llama3(32, 1, 4, 8192), llama3(16, 1, 4, 4096)}) {
    const auto factors = llama3_rope_factors(scaling, kLlama31);
    const int64_t original = scaling.at("original_max_position_embeddings");
    EXPECT_EQ(llama3_rope_scaling(factors, kLlama31, original), scaling);
  }
  const RopeBase small = {.head_dim = 64, .theta = 10000};
  const auto factors = llama3_rope_factors(llama3(4, 1, 4, 8192), small);
  EXPECT_EQ(llama3_rope_scaling(factors, small, 0), llama3(4, 1, 4, 8192))
      << "8192 where nothing is said";
}

/// A file says the factors alone; other settings can be worked out of them.
TEST(GgufRope, SolvesForSettingsThatNoFileSays) {
  const Json scaling = llama3(6, 2, 10, 16384);
  const auto factors = llama3_rope_factors(scaling, kLlama31);
  const Json found = llama3_rope_scaling(factors, kLlama31, 0);
  ASSERT_FALSE(found.is_null());
  EXPECT_NEAR(found.at("low_freq_factor").get<double>(), 1, 1e-9);
  EXPECT_NEAR(found.at("high_freq_factor").get<double>(), 5, 1e-3);
  EXPECT_NEAR(found.at("original_max_position_embeddings").get<double>(), 8192, 2);
  const auto again = llama3_rope_factors(found, kLlama31);
  for (size_t i = 0; i < factors.size(); ++i)
    EXPECT_NEAR(again[i], factors[i], 1e-3F * factors[i]) << i;
}

TEST(GgufRope, RefusesFactorsOfAnotherKind) {
  const auto good = llama3_rope_factors(llama3(8, 1, 4, 8192), kLlama31);
  EXPECT_TRUE(llama3_rope_scaling({}, kLlama31, 0).is_null());
  EXPECT_TRUE(llama3_rope_scaling(std::span(good).first(10), kLlama31, 0).is_null());
  auto wavy = good;
  wavy[5] = 3;
  EXPECT_TRUE(llama3_rope_scaling(wavy, kLlama31, 0).is_null());
  auto endless = good;
  endless[0] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(llama3_rope_scaling(endless, kLlama31, 0).is_null());
  const std::vector<float> none(64, 0.0F);
  EXPECT_TRUE(llama3_rope_scaling(none, kLlama31, 0).is_null());
}

}  // namespace
}  // namespace vila::formats
