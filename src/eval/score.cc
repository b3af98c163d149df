// SPDX-License-Identifier: Apache-2.0
#include "eval/score.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/python_text.h"

namespace vila::eval {
namespace {

constexpr std::array kOutcomes = {"right", "partly", "wrong", "unparsed", "missing"};

std::array<int64_t, kOutcomes.size()> count_outcomes(const Score& score) {
  std::array<int64_t, kOutcomes.size()> counts{};
  for (const ItemScore& item : score.items)
    ++counts[static_cast<size_t>(item.outcome)];
  return counts;
}

}  // namespace

const char* outcome_name(Outcome outcome) {
  return kOutcomes[static_cast<size_t>(outcome)];
}

Outcome outcome_of(double score) {
  if (score >= 1) return Outcome::right;
  return score > 0 ? Outcome::partly : Outcome::wrong;
}

const Metric& Score::metric(std::string_view name) const {
  for (const Metric& found : metrics) {
    if (found.name == name) return found;
  }
  fail(ErrorCode::invalid_argument, "{}: expected a figure named \"{}\", found none", task, name);
}

Metric& Score::add(std::string name, const Statistic& statistic) {
  Metric& added = metrics.emplace_back();
  added.name = std::move(name);
  for (const Stratum& stratum : statistic.strata)
    added.count += stratum.size();
  if (added.count == 0) {
    added.shown = "0";
    return added;
  }
  added.value = statistic.value();
  added.shown = fixed(added.value, 2);
  added.interval = bootstrap(statistic);
  return added;
}

double python_mean(std::span<const double> scores) {
  double sum = 0;
  for (const double score : scores)
    sum += score;
  return scores.empty() ? 0 : sum / static_cast<double>(scores.size());
}

void Groups::add(std::string_view group, double score) {
  auto found = scores_.find(group);
  if (found == scores_.end()) found = scores_.emplace(group, std::vector<double>()).first;
  found->second.push_back(score);
}

void Groups::report(Score& score, const std::string& prefix, int decimals) const {
  for (const auto& [group, scores] : scores_) {
    Metric& metric = score.add(fmt::format("{}: {}", prefix, group), percentage_of(scores));
    metric.value = python_round(100 * python_mean(scores), decimals);
    metric.shown = fixed(metric.value, decimals);
  }
}

Json score_json(const Score& score) {
  Json json = {{"task", score.task}, {"score", nullptr}, {"notes", score.notes}};
  for (const char* table : {"metrics", "shown", "counts", "intervals", "outcomes"})
    json[table] = Json::object();
  for (const Metric& metric : score.metrics) {
    json["metrics"][metric.name] = metric.value;
    json["shown"][metric.name] = metric.shown;
    json["counts"][metric.name] = metric.count;
    if (metric.interval) {
      json["intervals"][metric.name] = {metric.interval->low, metric.interval->high};
    }
  }
  if (!score.metrics.empty()) {
    json["score"] = score.metrics.front().value;
    json["reported"] = score.metrics.front().name;
  }
  const auto counts = count_outcomes(score);
  for (size_t i = 0; i < counts.size(); ++i)
    json["outcomes"][kOutcomes[i]] = counts[i];
  return json;
}

Json item_json(const ItemScore& item) {
  return {{"question_id", item.id}, {"category", item.category},
          {"parsed", item.parsed},  {"gold", item.gold},
          {"score", item.score},    {"outcome", outcome_name(item.outcome)}};
}

std::string score_text(const Score& score) {
  std::string text;
  size_t width = 0;
  for (const Metric& metric : score.metrics)
    width = std::max(width, metric.name.size());
  for (const Metric& metric : score.metrics) {
    text += fmt::format("{:<{}}  {:>10}", metric.name, width, metric.shown);
    if (metric.interval) {
      text += fmt::format("  [{:.2f}, {:.2f}]", metric.interval->low, metric.interval->high);
    }
    text += fmt::format("  n={}\n", metric.count);
  }
  for (const std::string& note : score.notes)
    text += fmt::format("note: {}\n", note);
  return text;
}

}  // namespace vila::eval
