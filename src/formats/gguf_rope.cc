// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include <nlohmann/json.hpp>

namespace vila::formats {
namespace {

constexpr const char* kWhere = "config.json: rope_scaling";
constexpr double kTolerance = 1e-4;  // relative; the factors are f32, computed from f32 frequencies
constexpr double kLow = 1;  // low_freq_factor and high_freq_factor of every published model
constexpr double kHigh = 4;
constexpr double kOriginal = 8192;

/// Llama-3.1's scaling as numbers.
struct Stretch {
  double factor = 1;
  double low = kLow;
  double high = kHigh;
  double original = kOriginal;
};

/// Length of wave `i` in positions.
double wavelength(const RopeBase& base, size_t i) {
  const double exponent = 2 * static_cast<double>(i) / static_cast<double>(base.head_dim);
  return 2 * std::numbers::pi * std::pow(base.theta, exponent);
}

/// What divides the frequency of a wave: 1 for those of which `high` and more fit into the original
/// context, `factor` for those of which less than `low` do, between them a mixture.
double divisor(const Stretch& stretch, double wave) {
  const double waves = stretch.original / wave;
  if (waves > stretch.high) return 1;
  if (waves < stretch.low) return stretch.factor;
  const double share = (waves - stretch.low) / (stretch.high - stretch.low);
  return 1 / ((1 - share) / stretch.factor + share);
}

bool fits(const Stretch& stretch, std::span<const float> factors, const RopeBase& base) {
  for (size_t i = 0; i < factors.size(); ++i) {
    const double expected = divisor(stretch, wavelength(base, i));
    if (std::abs(static_cast<double>(factors[i]) - expected) > kTolerance * expected) return false;
  }
  return true;
}

/// The share of its own frequency in a mixed one, from what divides it.
double share_of(double divisor, double factor) {
  return (1 / divisor - 1 / factor) / (1 - 1 / factor);
}

/// share = (original / wave - low) / (high - low) is a line in 1 / wave: two mixed waves, the
/// outermost, give it. With low = 1 it says the rest.
std::optional<Stretch> solve(std::span<const float> factors, const RopeBase& base, double factor) {
  std::vector<size_t> mixed;
  for (size_t i = 0; i < factors.size(); ++i) {
    const auto value = static_cast<double>(factors[i]);
    if (value > 1 + kTolerance && value < factor * (1 - kTolerance)) mixed.push_back(i);
  }
  if (mixed.size() < 2) return std::nullopt;
  const auto point = [&](size_t i) {
    return std::pair(1 / wavelength(base, i), share_of(static_cast<double>(factors[i]), factor));
  };
  const auto [x0, y0] = point(mixed.front());
  const auto [x1, y1] = point(mixed.back());
  const double slope = (y1 - y0) / (x1 - x0);  // original / (high - low)
  const double offset = slope * x0 - y0;       // low / (high - low)
  if (!(slope > 0) || !(offset > 0)) return std::nullopt;
  return Stretch{
      .factor = factor, .low = 1, .high = 1 + 1 / offset, .original = std::round(slope / offset)};
}

Json scaling_json(const Stretch& stretch) {
  return {{"rope_type", "llama3"},
          {"factor", stretch.factor},
          {"low_freq_factor", stretch.low},
          {"high_freq_factor", stretch.high},
          {"original_max_position_embeddings", static_cast<int64_t>(stretch.original)}};
}

}  // namespace

std::vector<float> llama3_rope_factors(const Json& scaling, const RopeBase& base) {
  const Stretch stretch = {
      .factor = json_get<double>(scaling, "factor", 1, kWhere),
      .low = json_get<double>(scaling, "low_freq_factor", kLow, kWhere),
      .high = json_get<double>(scaling, "high_freq_factor", kHigh, kWhere),
      .original = json_get<double>(scaling, "original_max_position_embeddings", kOriginal, kWhere)};
  std::vector<float> factors;
  for (size_t i = 0; i < static_cast<size_t>(base.head_dim / 2); ++i)
    factors.push_back(static_cast<float>(divisor(stretch, wavelength(base, i))));
  return factors;
}

Json llama3_rope_scaling(std::span<const float> factors, const RopeBase& base, int64_t original) {
  if (factors.empty() || std::ssize(factors) != base.head_dim / 2) return nullptr;
  const auto factor = static_cast<double>(std::ranges::max(factors));
  if (!std::isfinite(factor) || factor < 1) return nullptr;
  const double hint = original > 0 ? static_cast<double>(original) : kOriginal;
  const Stretch usual{.factor = factor, .low = kLow, .high = kHigh, .original = hint};
  if (fits(usual, factors, base)) return scaling_json(usual);
  const auto found = solve(factors, base, factor);
  return found && fits(*found, factors, base) ? scaling_json(*found) : Json();
}

}  // namespace vila::formats
