// SPDX-License-Identifier: Apache-2.0
#include "eval/statistics.h"

#include <cmath>

#include <gtest/gtest.h>

namespace vila::eval {
namespace {

std::vector<double> coin_flips(int64_t count, double p, Random& random) {
  std::vector<double> flips;
  for (int64_t i = 0; i < count; ++i)
    flips.push_back(random.uniform() < p ? 1 : 0);
  return flips;
}

// Soft scores of VQA: 0, .3, .6, .9 and 1 with mean .57.
std::vector<double> soft_scores(int64_t count, Random& random) {
  constexpr double kScores[] = {0, 0.3, 0.6, 0.9, 1};
  constexpr double kShares[] = {0.3, 0.1, 0.1, 0.2, 0.3};
  std::vector<double> scores;
  for (int64_t i = 0; i < count; ++i) {
    double u = random.uniform();
    size_t which = 0;
    while (which < 4 && u >= kShares[which])
      u -= kShares[which++];
    scores.push_back(kScores[which]);
  }
  return scores;
}

TEST(Binomial, HasTheMeanAndVarianceOfItsLaw) {
  Random random(1);
  constexpr int kDraws = 20000;
  constexpr double kN = 1000;
  constexpr double kP = 0.3;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const auto x = static_cast<double>(sample_binomial(1000, kP, random));
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  const double variance = squares / kDraws - mean * mean;
  const double sigma = std::sqrt(kN * kP * (1 - kP));
  EXPECT_NEAR(mean, kN * kP, 4 * sigma / std::sqrt(kDraws));
  EXPECT_NEAR(variance, sigma * sigma, 4 * sigma * sigma * std::sqrt(2.0 / kDraws));
}

TEST(Binomial, KeepsToItsRange) {
  Random random(2);
  EXPECT_EQ(sample_binomial(0, 0.5, random), 0);
  EXPECT_EQ(sample_binomial(1000, 0, random), 0);
  EXPECT_EQ(sample_binomial(1000, 1, random), 1000);
}

TEST(Bootstrap, IsTheSameForTheSameSeed) {
  Random random(3);
  const Statistic statistic = percentage_of(coin_flips(500, 0.6, random));
  const Interval first = bootstrap(statistic);
  const Interval second = bootstrap(statistic);
  EXPECT_EQ(first.low, second.low);
  EXPECT_EQ(first.high, second.high);
  EXPECT_LT(first.low, statistic.value());
  EXPECT_GT(first.high, statistic.value());
}

// Of 2,000 data sets, the share whose 95 % interval holds the truth; its own standard error is
// half a per cent.
TEST(Bootstrap, CoversTheTruthIn95PercentOfSimulatedSets) {
  Random random(4);
  constexpr int kSets = 2000;
  int covered = 0;
  for (int i = 0; i < kSets; ++i) {
    const Interval interval = bootstrap(percentage_of(soft_scores(300, random)),
                                        {.resamples = 300, .seed = static_cast<uint64_t>(i)});
    covered += interval.low <= 57 && 57 <= interval.high ? 1 : 0;
  }
  RecordProperty("covered_of_2000", covered);
  EXPECT_NEAR(100.0 * covered / kSets, 95, 2);
}

TEST(Bootstrap, CoversARatioOfStrataToo) {
  Random random(5);
  constexpr int kSets = 1000;
  int covered = 0;
  for (int i = 0; i < kSets; ++i) {
    Statistic statistic;
    for (const double p : {0.3, 0.8}) {
      Stratum& stratum = statistic.strata.emplace_back();
      for (const double flip : coin_flips(200, p, random))
        stratum.add({flip});
    }
    statistic.formula = [](std::span<const std::vector<double>> sums) {
      return sums[0][0] / sums[1][0];
    };
    const Interval interval =
        bootstrap(statistic, {.resamples = 300, .seed = static_cast<uint64_t>(i)});
    covered += interval.low <= 0.375 && 0.375 <= interval.high ? 1 : 0;
  }
  EXPECT_NEAR(100.0 * covered / kSets, 95, 2);
}

TEST(PairedTest, IsMcnemarsExactForRightAndWrong) {
  // 9 pairs against 1: 2 * P(X <= 1 | n = 10, 1/2) = 22 / 1024.
  std::vector<double> a(100, 1);
  std::vector<double> b(100, 1);
  for (size_t i = 0; i < 9; ++i)
    a[i] = 0;
  b[50] = 0;
  const PairedTest test = compare_paired(a, b);
  EXPECT_STREQ(test.test, "McNemar, exact");
  EXPECT_NEAR(test.p_value, 22.0 / 1024, 1e-12);
  EXPECT_NEAR(test.difference, 0.08, 1e-12);
  EXPECT_EQ(test.b_better, 9);
  EXPECT_EQ(test.a_better, 1);
}

// 5 % and twice the standard error of 1,000 simulations, .7 %.
constexpr double kMostFalse = 5 + 1.4;

TEST(PairedTest, FindsADifferenceBetweenEqualModelsInAtMost5Percent) {
  Random random(6);
  constexpr int kSets = 1000;
  int found_binary = 0;
  int found_soft = 0;
  for (int i = 0; i < kSets; ++i) {
    const BootstrapOptions options{.resamples = 200, .seed = static_cast<uint64_t>(i)};
    found_binary +=
        compare_paired(coin_flips(200, 0.7, random), coin_flips(200, 0.7, random), options)
                    .p_value < 0.05
            ? 1
            : 0;
    found_soft +=
        compare_paired(soft_scores(200, random), soft_scores(200, random), options).p_value < 0.05
            ? 1
            : 0;
  }
  RecordProperty("false_positives_per_thousand_binary", found_binary);
  RecordProperty("false_positives_per_thousand_soft", found_soft);
  EXPECT_LE(100.0 * found_binary / kSets, kMostFalse);
  EXPECT_LE(100.0 * found_soft / kSets, kMostFalse);
}

TEST(PairedTest, FindsARealDifference) {
  Random random(7);
  const auto a = soft_scores(2000, random);
  auto b = a;
  for (size_t i = 0; i < b.size(); i += 10)
    b[i] = std::min(1.0, b[i] + 0.3);
  const PairedTest test = compare_paired(a, b);
  EXPECT_LT(test.p_value, 0.01);
  EXPECT_GT(test.interval.low, 0);
}

TEST(Bootstrap, OfUnitsIsThatOfSumsWhereBothApply) {
  std::vector<double> scores;
  for (int i = 0; i < 400; ++i)
    scores.push_back(i % 3 == 0 ? 1 : 0);
  const BootstrapOptions options{.resamples = 4000};
  const Interval of_sums = bootstrap(percentage_of(scores), options);
  const Interval of_units = bootstrap_units(
      scores.size(),
      [&](std::span<const double> times) {
        double sum = 0;
        for (size_t i = 0; i < scores.size(); ++i)
          sum += scores[i] * times[i];
        return 100 * sum / static_cast<double>(scores.size());
      },
      options);
  EXPECT_NEAR(of_units.low, of_sums.low, 0.6);
  EXPECT_NEAR(of_units.high, of_sums.high, 0.6);
}

}  // namespace
}  // namespace vila::eval
