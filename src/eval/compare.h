// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/statistics.h"

namespace vila::eval {

/// A question that two results score differently.
struct Difference {
  std::string question_id;
  std::string gold;
  std::string a;  // what was compared
  std::string b;
  double a_score = 0;
  double b_score = 0;
};

/// Two results on the same questions. A value.
struct Comparison {
  std::string task;
  int64_t questions = 0;
  double a_mean = 0;
  double b_mean = 0;
  PairedTest test;
  std::vector<Difference> differences;  // in the order of the questions
};

/// Compares two folders that run_task() wrote. @throws Error{not_found | invalid_data};
/// Error{invalid_argument} naming both protocol ids when they are not the same questions asked in
/// the same way.
Comparison compare_results(const std::filesystem::path& a, const std::filesystem::path& b);

/// Every member of it.
Json comparison_json(const Comparison& comparison);

/// For people; at most `limit` of the differences.
std::string comparison_text(const Comparison& comparison, size_t limit = 20);

}  // namespace vila::eval
