// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.h"

#include <gtest/gtest.h>

namespace vila::model {
namespace {

using spec::RopeScaling;

spec::DecoderConfig config_with(double theta, const RopeScaling& scaling) {
  spec::DecoderConfig config;
  config.head_dim = 16;
  config.rope_theta = theta;
  config.rope_scaling = scaling;
  return config;
}

void expect_frequencies(const spec::DecoderConfig& config, const std::vector<double>& expected) {
  const std::vector<float> actual = rope_frequencies(config);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(static_cast<double>(actual[i]) / expected[i], 1, 1e-6) << i;
}

// Expected: ROPE_INIT_FUNCTIONS of transformers 4.46.3.
TEST(RopeFrequencies, AreStretchedAsLlama31Does) {
  const RopeScaling scaling{.kind = RopeScaling::Kind::llama3,
                            .factor = 8,
                            .low_freq_factor = 1,
                            .high_freq_factor = 4,
                            .original_positions = 8192};
  expect_frequencies(
      config_with(5e5, scaling),
      {1.0, 0.193922758102417, 0.03760603070259094, 0.00729266507551074, 0.0005248460220173001,
       3.428102354519069e-05, 6.647869668086059e-06, 1.289173155782919e-06});
}

TEST(RopeFrequencies, AreDividedByALinearFactor) {
  const RopeScaling scaling{.kind = RopeScaling::Kind::linear, .factor = 2};
  expect_frequencies(
      config_with(1e4, scaling),
      {0.5, 0.15811388194561005, 0.05000000074505806, 0.015811389312148094, 0.004999999888241291,
       0.0015811389312148094, 0.0005000000237487257, 0.00015811389312148094});
}

TEST(RopeFrequencies, WithoutScalingAreThoseOfTheTheta) {
  EXPECT_EQ(rope_frequencies(config_with(1e4, {})).front(), 1.0F);
}

}  // namespace
}  // namespace vila::model
