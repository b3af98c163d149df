// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vila::engine {
namespace {

// Logits whose softmax is 0.5, 0.25, 0.15, 0.1, in another order.
const std::vector<float> kLogits = {std::log(0.15F), std::log(0.5F), std::log(0.1F),
                                    std::log(0.25F)};

GenerateOptions plain_options() {
  GenerateOptions options;
  options.temperature = 1;
  options.top_k = 0;
  return options;
}

// Share of each id in 20000 draws.
std::map<text::TokenId, double> shares(const GenerateOptions& options) {
  Sampler sampler(options, 4);
  std::map<text::TokenId, double> result;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i)
    result[sampler.sample(kLogits)] += 1.0 / kDraws;
  return result;
}

TEST(Sampler, TakesTheLowestIdOnATieWhenGreedy) {
  GenerateOptions options;
  options.temperature = 0;
  Sampler sampler(options, 5);
  const std::vector<float> logits = {-1, 3, 2, 3, 3};
  EXPECT_EQ(sampler.sample(logits), 1);
}

TEST(Sampler, FollowsTheDistribution) {
  const auto result = shares(plain_options());
  EXPECT_NEAR(result.at(1), 0.5, 0.012);
  EXPECT_NEAR(result.at(3), 0.25, 0.012);
  EXPECT_NEAR(result.at(0), 0.15, 0.012);
  EXPECT_NEAR(result.at(2), 0.1, 0.012);
}

TEST(Sampler, SharpensWithLowTemperature) {
  GenerateOptions options = plain_options();
  options.temperature = 0.5;  // probabilities squared: 25, 6.25, 2.25, 1 of 34.5
  const auto result = shares(options);
  EXPECT_NEAR(result.at(1), 25 / 34.5, 0.012);
  EXPECT_NEAR(result.at(2), 1 / 34.5, 0.012);
}

TEST(Sampler, KeepsTheBestK) {
  GenerateOptions options = plain_options();
  options.top_k = 2;
  const auto result = shares(options);
  ASSERT_EQ(result.size(), 2U);
  EXPECT_NEAR(result.at(1), 2.0 / 3, 0.012);
  EXPECT_NEAR(result.at(3), 1.0 / 3, 0.012);
}

TEST(Sampler, KeepsTheFewestThatReachTopP) {
  GenerateOptions options = plain_options();
  options.top_p = 0.76;
  EXPECT_EQ(shares(options).size(), 3U);
  options.top_p = 0.74;
  EXPECT_EQ(shares(options).size(), 2U);
  options.top_p = 1e-9;
  EXPECT_EQ(shares(options).size(), 1U);
}

TEST(Sampler, AppliesTopPToWhatTopKLeft) {
  GenerateOptions options = plain_options();
  options.top_k = 2;  // then 2/3 and 1/3
  options.top_p = 0.6;
  EXPECT_EQ(shares(options).size(), 1U);
}

TEST(Sampler, DropsWhatIsBelowMinPOfTheBest) {
  GenerateOptions options = plain_options();
  options.min_p = 0.4;
  EXPECT_EQ(shares(options).size(), 2U);
  options.min_p = 1;
  EXPECT_EQ(shares(options).size(), 1U);
}

TEST(Sampler, PenalisesWhatWasSeen) {
  GenerateOptions options;
  options.temperature = 0;
  options.repeat_penalty = 2;
  Sampler sampler(options, 3);
  const std::vector<float> logits = {3, 2, -1};
  EXPECT_EQ(sampler.sample(logits), 0);
  sampler.accept(0);  // 1.5, 2, -1
  EXPECT_EQ(sampler.sample(logits), 1);
  sampler.accept(1);  // 1.5, 1, -1
  EXPECT_EQ(sampler.sample(logits), 0);
  const std::vector<float> negative = {-0.9F, -2, -1};  // -1.8, -4, -1
  EXPECT_EQ(sampler.sample(negative), 2);
  sampler.accept(-200);  // a picture: ignored
}

TEST(Sampler, RepeatsItselfWithTheSameSeedOnly) {
  GenerateOptions options = plain_options();
  const auto draws = [&](uint64_t seed) {
    options.seed = seed;
    Sampler sampler(options, 4);
    std::vector<text::TokenId> ids;
    for (int i = 0; i < 50; ++i)
      ids.push_back(sampler.sample(kLogits));
    return ids;
  };
  EXPECT_EQ(draws(7), draws(7));
  EXPECT_NE(draws(7), draws(8));
}

TEST(Sampler, RefusesLogitsThatAreNotFinite) {
  Sampler sampler(plain_options(), 3);
  const std::vector<float> logits = {1, std::numeric_limits<float>::quiet_NaN(), 0};
  EXPECT_THROW(sampler.sample(logits), Error);
}

TEST(Sampler, StaysExactForExtremeLogitsAndTemperatures) {
  GenerateOptions options = plain_options();
  options.temperature = 1e-6;
  Sampler cold(options, 3);
  EXPECT_EQ(cold.sample(std::vector<float>{1e4F, -1e4F, 1.0001e4F}), 2);
  options.temperature = 1e6;
  Sampler hot(options, 3);
  std::map<text::TokenId, int> seen;
  for (int i = 0; i < 300; ++i)
    ++seen[hot.sample(std::vector<float>{1, 2, 3})];
  EXPECT_EQ(seen.size(), 3U);
}

TEST(TokenLogprob, EqualsTheLogSoftmax) {
  std::vector<float> logits = kLogits;
  for (float& value : logits)
    value += 500;
  const TokenLogprob result = token_logprob(logits, 3, 2);
  EXPECT_NEAR(result.logprob, std::log(0.25), 1e-4);
  ASSERT_EQ(result.top.size(), 2U);
  EXPECT_EQ(result.top[0].first, 1);
  EXPECT_NEAR(result.top[0].second, std::log(0.5), 1e-4);
  EXPECT_EQ(result.top[1].first, 3);
}

TEST(BestIds, SortsAndBreaksTiesByTheLowerId) {
  const std::vector<float> logits = {1, 5, 5, 7};
  EXPECT_EQ(best_ids(logits, 3), (std::vector<text::TokenId>{3, 1, 2}));
  EXPECT_EQ(best_ids(logits, 10).size(), 4U);
}

TEST(GenerateOptions, AreCheckedWithNameRangeAndValue) {
  const auto message = [](const auto& change) -> std::string {
    GenerateOptions options;
    change(options);
    try {
      validate(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.message();
    }
    return "valid";
  };
  EXPECT_EQ(message([](GenerateOptions&) {}), "valid");
  EXPECT_EQ(message([](GenerateOptions& o) { o.top_p = 1.5; }),
            "top_p: expected more than 0, at most 1, found 1.5");
  EXPECT_NE(message([](GenerateOptions& o) { o.temperature = -1; }), "valid");
  EXPECT_NE(message([](GenerateOptions& o) { o.temperature = NAN; }), "valid");
  EXPECT_NE(message([](GenerateOptions& o) { o.top_k = -1; }), "valid");
  EXPECT_NE(message([](GenerateOptions& o) { o.min_p = 2; }), "valid");
  EXPECT_NE(message([](GenerateOptions& o) { o.repeat_penalty = 0; }), "valid");
  EXPECT_NE(message([](GenerateOptions& o) { o.max_tokens = -1; }), "valid");
  EXPECT_NE(message([](GenerateOptions& o) { o.stop = {""}; }), "valid");
}

}  // namespace
}  // namespace vila::engine
