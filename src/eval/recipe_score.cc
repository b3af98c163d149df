// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdlib>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/caption_metrics.h"
#include "eval/ptb_tokenizer.h"
#include "eval/python_text.h"
#include "eval/recipe.h"
#include "eval/recipe_rows.h"
#include "eval/tasks/common.h"

namespace vila::eval {
namespace {

// A row of the data with the answer to it.
struct Answered {
  Row row;
  std::string id;
  const Answer* answer = nullptr;
};

ItemScore new_item(const Answered& answered, const Recipe& recipe) {
  ItemScore item;
  item.id = answered.id;
  if (!recipe.groups.empty()) {
    item.category = text_of(value_at(answered.row.columns(), recipe.groups.front()));
  }
  return item;
}

ItemScore judge_row(const Answered& answered, const Recipe& recipe) {
  const Choices choices = choices_of(answered.row, recipe.choices);
  const std::vector<std::string> golds = golds_of(answered.row, recipe, choices);
  const std::string precision = text_of(value_at(answered.row.columns(), "precision"));
  const RuleInput input{.golds = golds,
                        .choices = choices,
                        .precision = std::strtol(precision.c_str(), nullptr, 10),
                        .answer_type = text_of(value_at(answered.row.columns(), "answer_type"))};
  // The letter of the most probable option is compared as it stands.
  const bool is_letter = recipe.asking == Asking::options;
  Verdict verdict = judge(is_letter ? Rule::exact : recipe.rule, answered.answer->text, input);
  ItemScore item = new_item(answered, recipe);
  item.gold = golds.front();
  item.parsed = std::move(verdict.parsed);
  item.score = verdict.score;
  item.outcome = verdict.outcome;
  return item;
}

// 100 * mean over the questions, or of the means of the groups.
Statistic reported(const Recipe& recipe, const Score& score) {
  std::map<std::string, std::vector<double>> groups;
  std::vector<double> all;
  for (const ItemScore& item : score.items) {
    groups[item.category].push_back(item.score);
    all.push_back(item.score);
  }
  if (recipe.aggregate == Aggregate::mean || groups.size() < 2) return percentage_of(all);
  Statistic statistic;
  std::vector<double> counts;
  for (const auto& [name, scores] : groups) {
    Stratum& stratum = statistic.strata.emplace_back();
    for (const double found : scores)
      stratum.add({found});
    counts.push_back(static_cast<double>(scores.size()));
  }
  statistic.formula = [counts](std::span<const std::vector<double>> sums) {
    double total = 0;
    for (size_t i = 0; i < sums.size(); ++i)
      total += 100 * sums[i][0] / counts[i];
    return total / static_cast<double>(sums.size());
  };
  return statistic;
}

// A figure for each value of each of the recipe's group columns, named by the last part of its
// path.
void report_groups(const Recipe& recipe, std::span<const Answered> answered, Score& score) {
  for (const std::string& path : recipe.groups) {
    Groups groups;
    for (size_t i = 0; i < answered.size(); ++i) {
      const std::string group = text_of(value_at(answered[i].row.columns(), path));
      if (!group.empty()) groups.add(group, score.items[i].score);
    }
    groups.report(score, path.substr(path.rfind('.') + 1));
  }
}

void score_answers_of(const Recipe& recipe, std::span<const Answered> answered, Score& score) {
  for (const Answered& one : answered)
    score.items.push_back(judge_row(one, recipe));
  score.add(recipe.rule == Rule::anls ? "ANLS" : "accuracy", reported(recipe, score));
  report_groups(recipe, answered, score);
}

// BLEU of summed counts, with the interval of resampled captions.
void add_bleu(std::span<const CaptionPair> pairs, Score& score) {
  Stratum stratum;
  for (const CaptionPair& pair : pairs) {
    const BleuCounts counts = bleu_counts(pair);
    std::vector<double> values = {counts.candidate_length, counts.reference_length};
    values.insert(values.end(), counts.guesses.begin(), counts.guesses.end());
    values.insert(values.end(), counts.correct.begin(), counts.correct.end());
    stratum.add(std::move(values));
  }
  for (size_t n = 0; n < kBleuOrders; ++n) {
    score.add(fmt::format("BLEU-{}", n + 1),
              {.strata = {stratum}, .formula = [n](std::span<const std::vector<double>> sums) {
                 const std::vector<double>& sum = sums[0];
                 BleuCounts counts{.candidate_length = sum[0], .reference_length = sum[1]};
                 for (size_t order = 0; order < kBleuOrders; ++order) {
                   counts.guesses[order] = sum[2 + order];
                   counts.correct[order] = sum[2 + kBleuOrders + order];
                 }
                 return 100 * bleu(counts)[n];
               }});
  }
}

void score_captions(const Recipe& recipe, std::span<const Answered> answered, Score& score) {
  std::vector<CaptionPair> pairs;
  for (const Answered& one : answered) {
    CaptionPair& pair = pairs.emplace_back();
    pair.candidate = ptb_tokens(one.answer->text);
    score.items.push_back(new_item(one, recipe));
    for (const std::string& gold : golds_of(one.row, recipe, {})) {
      pair.references.push_back(ptb_tokens(gold));
      if (score.items.back().gold.empty()) score.items.back().gold = gold;
    }
    score.items.back().parsed = one.answer->text;
  }
  constexpr double kMost = 10;  // of CIDEr-D
  const std::vector<double> ciders = cider_d(pairs);
  std::vector<double> rouges;
  for (size_t i = 0; i < pairs.size(); ++i) {
    rouges.push_back(rouge_l(pairs[i]));
    score.items[i].score = ciders[i] / kMost;
    score.items[i].outcome = outcome_of(score.items[i].score);
  }
  score.add("CIDEr", percentage_of(ciders));
  add_bleu(pairs, score);
  score.add("ROUGE-L", percentage_of(rouges));
}

// Answers of Asking::losses: "NLL tokens bytes".
void score_losses(const Recipe& recipe, std::span<const Answered> answered, Score& score) {
  Stratum stratum;
  for (const Answered& one : answered) {
    std::vector<double> values;
    for (const std::string_view word : python_split(one.answer->text))
      values.push_back(std::strtod(std::string(word).c_str(), nullptr));
    if (values.size() != 3 || values[1] < 1) {
      fail(ErrorCode::invalid_data, "{}: expected \"NLL tokens bytes\" as its answer, found \"{}\"",
           one.row.place, one.answer->text.substr(0, 60));
    }
    ItemScore item = new_item(one, recipe);
    item.parsed = fixed(values[0] / values[1], 4);
    item.score = std::exp(-values[0] / values[1]);  // mean probability: 0 to 1, more is better
    item.outcome = outcome_of(item.score);
    score.items.push_back(std::move(item));
    stratum.add(std::move(values));
  }
  using Sums = std::span<const std::vector<double>>;
  score.add("perplexity", {.strata = {stratum},
                           .formula = [](Sums sums) { return std::exp(sums[0][0] / sums[0][1]); }});
  score.add("bits per byte", {.strata = {stratum}, .formula = [](Sums sums) {
                                return sums[0][0] / sums[0][2] / std::log(2.0);
                              }});
}

}  // namespace

Score recipe_score(const Recipe& recipe, const DataFolder& data, const Answers& answers,
                   const ScoreOptions& options) {
  Score score;
  score.task = recipe.name;
  std::vector<Row> rows = recipe_rows(recipe, data);
  const std::vector<std::string> ids = row_ids(rows, recipe.id);
  const std::string column = recipe.target.substr(0, recipe.target.find('.'));
  if (!column.empty() && !rows.front().columns().contains(column)) {
    return score_on_server(recipe.name, answers, "its server");
  }
  AnswerIndex index(answers);
  std::vector<Answered> answered;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Answer* answer = require_answer(index, ids[i], rows[i].place, options);
    if (answer == nullptr) continue;
    answered.push_back({.row = std::move(rows[i]), .id = ids[i], .answer = answer});
  }
  if (recipe.rule == Rule::caption) {
    score_captions(recipe, answered, score);
  } else if (recipe.rule == Rule::perplexity) {
    score_losses(recipe, answered, score);
  } else {
    score_answers_of(recipe, answered, score);
  }
  note_leftovers(index, score);
  return score;
}

}  // namespace vila::eval
