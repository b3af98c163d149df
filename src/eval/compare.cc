// SPDX-License-Identifier: Apache-2.0
#include "eval/compare.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "eval/data_folder.h"
#include "eval/python_text.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

struct Item {
  std::string id;
  std::string parsed;
  std::string gold;
  double score = 0;
};

std::vector<Item> read_items(const fs::path& path) {
  std::vector<Item> items;
  read_jsonl(path, [&](JsonCursor& line, int64_t) {
    Item& item = items.emplace_back();
    std::string key;
    line.enter_object();
    while (line.next_key(key)) {
      if (key == "question_id") {
        line.text(item.id);
      } else if (key == "parsed") {
        line.string(item.parsed);
      } else if (key == "gold") {
        line.string(item.gold);
      } else if (key == "score") {
        item.score = line.number();
      } else {
        line.skip();
      }
    }
  });
  return items;
}

Json read_protocol(const fs::path& folder) {
  return read_json_file(folder / "protocol.json", ErrorCode::invalid_data);
}

std::string check_protocols(const fs::path& a, const fs::path& b) {
  const Json first = read_protocol(a);
  const Json second = read_protocol(b);
  if (first.value("protocol_id", "") != second.value("protocol_id", "")) {
    fail(ErrorCode::invalid_argument,
         "compare: expected the same questions asked in the same way, found protocol {} in {} and "
         "{} in {}",
         first.value("protocol_id", ""), a.string(), second.value("protocol_id", ""), b.string());
  }
  return first.value("task", "");
}

}  // namespace

Comparison compare_results(const fs::path& a, const fs::path& b) {
  Comparison comparison;
  comparison.task = check_protocols(a, b);
  const std::vector<Item> first = read_items(a / "items.jsonl");
  const std::vector<Item> second = read_items(b / "items.jsonl");
  if (first.size() != second.size() || first.empty()) {
    fail(ErrorCode::invalid_data, "compare: expected as many scored questions, found {} and {}",
         first.size(), second.size());
  }
  std::vector<double> a_scores;
  std::vector<double> b_scores;
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i].id != second[i].id) {
      fail(ErrorCode::invalid_data,
           "compare: items.jsonl:{}: expected one question, found {} and {}", i + 1, first[i].id,
           second[i].id);
    }
    a_scores.push_back(first[i].score);
    b_scores.push_back(second[i].score);
    if (first[i].score == second[i].score) continue;
    comparison.differences.push_back({.question_id = first[i].id,
                                      .gold = first[i].gold,
                                      .a = first[i].parsed,
                                      .b = second[i].parsed,
                                      .a_score = first[i].score,
                                      .b_score = second[i].score});
  }
  comparison.questions = static_cast<int64_t>(first.size());
  comparison.test = compare_paired(a_scores, b_scores);
  for (size_t i = 0; i < a_scores.size(); ++i) {
    comparison.a_mean += a_scores[i] / static_cast<double>(a_scores.size());
    comparison.b_mean += b_scores[i] / static_cast<double>(b_scores.size());
  }
  return comparison;
}

Json comparison_json(const Comparison& comparison) {
  const PairedTest& test = comparison.test;
  Json json = {{"task", comparison.task},
               {"questions", comparison.questions},
               {"a", comparison.a_mean},
               {"b", comparison.b_mean},
               {"difference", test.difference},
               {"interval", {test.interval.low, test.interval.high}},
               {"test", test.test},
               {"p_value", test.p_value},
               {"a_better", test.a_better},
               {"b_better", test.b_better},
               {"differences", Json::array()}};
  for (const Difference& difference : comparison.differences) {
    json["differences"].push_back({{"question_id", difference.question_id},
                                   {"gold", difference.gold},
                                   {"a", difference.a},
                                   {"b", difference.b},
                                   {"a_score", difference.a_score},
                                   {"b_score", difference.b_score}});
  }
  return json;
}

std::string comparison_text(const Comparison& comparison, size_t limit) {
  const PairedTest& test = comparison.test;
  std::string text = fmt::format(
      "{}: {} questions\nA {:.2f}   B {:.2f}   B - A {:+.2f} [{:+.2f}, {:+.2f}]\n"
      "{}: p = {:.4f}   better: A on {}, B on {}\n",
      comparison.task, comparison.questions, 100 * comparison.a_mean, 100 * comparison.b_mean,
      100 * test.difference, 100 * test.interval.low, 100 * test.interval.high, test.test,
      test.p_value, test.a_better, test.b_better);
  for (size_t i = 0; i < comparison.differences.size() && i < limit; ++i) {
    const Difference& difference = comparison.differences[i];
    text += fmt::format("  {}: gold \"{}\", A \"{}\" {:.2f}, B \"{}\" {:.2f}\n",
                        difference.question_id, difference.gold, difference.a, difference.a_score,
                        difference.b, difference.b_score);
  }
  if (comparison.differences.size() > limit) {
    text +=
        fmt::format("  … and {} more (--json has all)\n", comparison.differences.size() - limit);
  }
  return text;
}

}  // namespace vila::eval
