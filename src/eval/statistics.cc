// SPDX-License-Identifier: Apache-2.0
#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace vila::eval {
namespace {

// Gamma(shape, 1), shape >= 1 (Marsaglia and Tsang, "A simple method for generating gamma
// variables", 2000).
double sample_gamma(double shape, Random& random) {
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = random.normal();
    const double v = std::pow(1.0 + c * x, 3);
    const double u = 1.0 - random.uniform();
    if (v > 0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double sample_beta(double a, double b, Random& random) {
  const double x = sample_gamma(a, random);
  return x / (x + sample_gamma(b, random));
}

double quantile(std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double weight = at - static_cast<double>(below);
  return sorted[below] * (1 - weight) + sorted[above] * weight;
}

// Probability of at most k successes of Binomial(n, 1/2), by summed logarithms.
double half_binomial_cdf(int64_t k, int64_t n) {
  double sum = 0;
  const double total = std::lgamma(static_cast<double>(n) + 1);
  for (int64_t i = 0; i <= k; ++i) {
    const auto x = static_cast<double>(i);
    sum += std::exp(total - std::lgamma(x + 1) - std::lgamma(static_cast<double>(n - i) + 1) -
                    static_cast<double>(n) * std::log(2.0));
  }
  return sum;
}

double mcnemar_p_value(int64_t a_better, int64_t b_better) {
  const int64_t fewer = std::min(a_better, b_better);
  return std::min(1.0, 2 * half_binomial_cdf(fewer, a_better + b_better));
}

// Share of random sign assignments to the differences whose sum is as far from 0 as the one found,
// that one included. Differences of one size are one cell.
double sign_flip_p_value(std::span<const double> differences, int64_t resamples, Random& random) {
  std::map<double, int64_t> cells;
  double found = 0;
  for (const double difference : differences) {
    found += difference;
    if (difference != 0) ++cells[std::abs(difference)];
  }
  constexpr double kRounding = 1e-9;
  int64_t as_far = 1;
  for (int64_t i = 0; i < resamples; ++i) {
    double sum = 0;
    for (const auto& [size, count] : cells)
      sum += size * static_cast<double>(2 * sample_binomial(count, 0.5, random) - count);
    if (std::abs(sum) >= std::abs(found) - kRounding) ++as_far;
  }
  return static_cast<double>(as_far) / static_cast<double>(resamples + 1);
}

bool is_binary(std::span<const double> scores) {
  return std::all_of(scores.begin(), scores.end(), [](double s) { return s == 0 || s == 1; });
}

}  // namespace

int64_t sample_binomial(int64_t n, double p, Random& random) {
  constexpr int64_t kDirect = 16;
  int64_t successes = 0;
  while (n > kDirect) {
    const int64_t middle = n / 2 + 1;
    const double y =
        sample_beta(static_cast<double>(middle), static_cast<double>(n + 1 - middle), random);
    if (y <= p) {
      successes += middle;
      n -= middle;
      p = y < 1 ? std::clamp((p - y) / (1 - y), 0.0, 1.0) : 0;
    } else {
      n = middle - 1;
      p = std::clamp(p / y, 0.0, 1.0);
    }
  }
  for (; n > 0; --n)
    successes += random.uniform() < p ? 1 : 0;
  return successes;
}

int64_t Stratum::size() const {
  return std::accumulate(cells_.begin(), cells_.end(), int64_t{0},
                         [](int64_t sum, const auto& cell) { return sum + cell.second; });
}

std::vector<double> Stratum::sums() const {
  std::vector<double> sums;
  for (const auto& [values, count] : cells_) {
    sums.resize(values.size());
    for (size_t i = 0; i < values.size(); ++i)
      sums[i] += values[i] * static_cast<double>(count);
  }
  return sums;
}

std::vector<double> Stratum::resampled_sums(Random& random) const {
  std::vector<double> sums;
  int64_t units = size();   // of the cells not yet drawn
  int64_t to_draw = units;  // a multinomial is a chain of binomials
  for (const auto& [values, count] : cells_) {
    const double share = static_cast<double>(count) / static_cast<double>(units);
    const int64_t drawn = count == units ? to_draw : sample_binomial(to_draw, share, random);
    sums.resize(values.size());
    for (size_t i = 0; i < values.size(); ++i)
      sums[i] += values[i] * static_cast<double>(drawn);
    units -= count;
    to_draw -= drawn;
  }
  return sums;
}

double Statistic::value() const {
  std::vector<std::vector<double>> sums;
  for (const Stratum& stratum : strata)
    sums.push_back(stratum.sums());
  return formula(sums);
}

Statistic mean_of(std::span<const double> scores, double scale) {
  Statistic statistic;
  Stratum& stratum = statistic.strata.emplace_back();
  std::map<double, int64_t> counts;  // first by themselves: a cell's key has to be allocated
  for (const double score : scores)
    ++counts[score];
  for (const auto& [score, times] : counts)
    stratum.add({score}, times);
  const auto count = static_cast<double>(scores.size());
  statistic.formula = [count, scale](std::span<const std::vector<double>> sums) {
    return sums[0].empty() ? 0 : scale * sums[0][0] / count;
  };
  return statistic;
}

Statistic percentage_of(std::span<const double> scores) {
  return mean_of(scores, 100);
}

namespace {

Interval percentile_interval(std::vector<double> values, double confidence) {
  std::sort(values.begin(), values.end());
  const double tail = (1 - confidence) / 2;
  return {quantile(values, tail), quantile(values, 1 - tail)};
}

}  // namespace

Interval bootstrap(const Statistic& statistic, const BootstrapOptions& options) {
  VILA_CHECK(options.resamples > 0);
  Random random(options.seed);
  std::vector<double> values;
  values.reserve(static_cast<size_t>(options.resamples));
  std::vector<std::vector<double>> sums(statistic.strata.size());
  for (int64_t i = 0; i < options.resamples; ++i) {
    for (size_t s = 0; s < sums.size(); ++s)
      sums[s] = statistic.strata[s].resampled_sums(random);
    values.push_back(statistic.formula(sums));
  }
  return percentile_interval(std::move(values), options.confidence);
}

Interval bootstrap_units(size_t units,
                         const std::function<double(std::span<const double> times)>& value,
                         const BootstrapOptions& options) {
  VILA_CHECK(options.resamples > 0 && units > 0);
  Random random(options.seed);
  std::vector<double> values;
  std::vector<double> times(units);
  for (int64_t i = 0; i < options.resamples; ++i) {
    std::fill(times.begin(), times.end(), 0.0);
    for (size_t drawn = 0; drawn < units; ++drawn)
      ++times[static_cast<size_t>(random.below(static_cast<int64_t>(units)))];
    values.push_back(value(times));
  }
  return percentile_interval(std::move(values), options.confidence);
}

PairedTest compare_paired(std::span<const double> a, std::span<const double> b,
                          const BootstrapOptions& options) {
  VILA_CHECK(a.size() == b.size() && !a.empty());
  PairedTest result;
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) {
    differences.push_back(b[i] - a[i]);
    result.b_better += b[i] > a[i] ? 1 : 0;
    result.a_better += a[i] > b[i] ? 1 : 0;
  }
  Statistic mean = percentage_of(differences);
  result.difference = mean.value() / 100;
  const Interval percent = bootstrap(mean, options);
  result.interval = {percent.low / 100, percent.high / 100};
  if (is_binary(a) && is_binary(b)) {
    result.test = "McNemar, exact";
    result.p_value = mcnemar_p_value(result.a_better, result.b_better);
  } else {
    result.test = "sign flips";
    Random random(options.seed, 1);
    result.p_value = sign_flip_p_value(differences, options.resamples, random);
  }
  return result;
}

}  // namespace vila::eval
