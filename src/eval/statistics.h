// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "base/random.h"

namespace vila::eval {

/// A confidence interval. A value.
struct Interval {
  double low = 0;
  double high = 0;
};

/// Binomial(n, p), exactly, in O(log n): by order statistics (Devroye, "Non-Uniform Random Variate
/// Generation", X.4.3). @pre n >= 0, 0 <= p <= 1
int64_t sample_binomial(int64_t n, double p, Random& random);

/// Independent units drawn from one population, e.g. the questions of a category: what a resample
/// redraws. Units with equal values are one cell with a count, which makes a resample of 450,000
/// questions cost as much as their few distinct scores.
class Stratum {
 public:
  /// Adds units of equal values. All units of a stratum have as many values.
  void add(std::vector<double> values, int64_t count = 1) { cells_[std::move(values)] += count; }

  int64_t size() const;
  /// Sum over all units of each value.
  std::vector<double> sums() const;
  /// The sums of size() units drawn with replacement.
  std::vector<double> resampled_sums(Random& random) const;

 private:
  std::map<std::vector<double>, int64_t> cells_;
};

/// A score as a function of its strata: what bootstrapping needs to know of it.
struct Statistic {
  std::vector<Stratum> strata;
  /// Gets the sums of each stratum; sizes do not change under resampling.
  std::function<double(std::span<const std::vector<double>> sums)> formula;

  double value() const;
};

/// scale * mean, of one stratum.
Statistic mean_of(std::span<const double> scores, double scale);

/// 100 * mean, as most scores are.
Statistic percentage_of(std::span<const double> scores);

/// How to bootstrap.
struct BootstrapOptions {
  int64_t resamples = 1000;
  double confidence = 0.95;
  uint64_t seed = 0;
};

/// Percentile interval of the stratified bootstrap (Efron and Tibshirani, chapter 13).
Interval bootstrap(const Statistic& statistic, const BootstrapOptions& options = {});

/// The same of a figure that is no function of sums.
/// @param value  gets how often each of `units` was drawn
Interval bootstrap_units(size_t units,
                         const std::function<double(std::span<const double> times)>& value,
                         const BootstrapOptions& options = {});

/// What a paired comparison of two systems on the same questions found. A value.
struct PairedTest {
  const char* test = "";  // "McNemar, exact" or "sign flips"
  double difference = 0;  // mean of b - a
  Interval interval;      // of the difference, paired bootstrap
  double p_value = 1;     // two-sided
  int64_t b_better = 0;
  int64_t a_better = 0;
};

/// McNemar's exact test when all scores are 0 or 1, else the paired permutation (sign flip) test
/// with `options.resamples` draws, whose level is exact too; the interval is the paired
/// bootstrap's.
/// @pre a.size() == b.size(), not empty
PairedTest compare_paired(std::span<const double> a, std::span<const double> b,
                          const BootstrapOptions& options = {});

}  // namespace vila::eval
