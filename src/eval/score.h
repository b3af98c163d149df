// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "eval/statistics.h"

namespace vila::eval {

/// What became of one answer.
enum class Outcome { right, partly, wrong, unparsed, missing };

/// "right" and so on.
const char* outcome_name(Outcome outcome);

/// One question's part of the score. A value.
struct ItemScore {
  std::string id;
  std::string category;
  std::string parsed;  // the answer as it was compared
  std::string gold;
  double score = 0;  // 0 to 1
  Outcome outcome = Outcome::wrong;
};

/// One figure of the result. A value.
struct Metric {
  std::string name;   // "accuracy", or "group: member"
  double value = 0;   // as the official scorer computes it, before rounding
  std::string shown;  // as it prints it
  int64_t count = 0;  // questions behind it
  std::optional<Interval> interval;
};

/// The result of a benchmark: `metrics` with the reported one first. A value.
struct Score {
  std::string task;
  std::vector<Metric> metrics;  // empty: the gold answers are not public (upload the answers)
  std::vector<ItemScore> items;
  std::vector<std::string> notes;  // for a person: what is missing, repeated or unparsed

  /// @throws Error{invalid_argument} when there is none of that name.
  const Metric& metric(std::string_view name) const;

  /// Appends a figure with the interval of its statistic. @return it, for a value or a text that
  /// differs from the default (the statistic's value, two decimals).
  Metric& add(std::string name, const Statistic& statistic);
};

/// Right, partly or wrong, by a score from 0 to 1.
Outcome outcome_of(double score);

/// Scores by group, groups in the order of their names: for "per type" tables.
class Groups {
 public:
  void add(std::string_view group, double score);

  /// Adds "prefix: group", 100 * mean rounded to `decimals`, for each.
  void report(Score& score, const std::string& prefix, int decimals = 2) const;

 private:
  std::map<std::string, std::vector<double>, std::less<>> scores_;
};

/// sum() of Python before 3.12 over the scores, divided by their number; 0 for none.
double python_mean(std::span<const double> scores);

/// {"task", "score", "metrics": {name: value}, "shown", "counts", "intervals", "outcomes",
/// "notes"}.
Json score_json(const Score& score);

/// {"question_id", "category", "parsed", "gold", "score", "outcome"}: one line of the item log.
Json item_json(const ItemScore& item);

/// A table for people, one figure a line.
std::string score_text(const Score& score);

}  // namespace vila::eval
