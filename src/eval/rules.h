// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/choice.h"
#include "eval/score.h"

namespace vila::eval {

/// How an answer is held against the gold.
enum class Rule {
  exact,      // equal but for case and outer white space
  choice,     // an option's letter, by VLMEvalKit's rules
  guess,      // choice where the question has options, else exact
  letter,     // the answer's first letter that is an option's, else wrong: base models
  contains,   // a gold is part of the answer, case aside
  relaxed,    // ChartQA
  anls,       // DocVQA, InfoVQA
  vqa,        // the official VQA accuracy over ten humans
  number,     // GSM8K: the number after "####", else the last one
  mmmu,       // MMMU's letters and open answers
  mathvista,  // MathVista's without a model that extracts
  caption,    // CIDEr-D and its like, over the whole set
  perplexity  // of the text itself
};

/// What is known of a question when its answer is judged.
struct RuleInput {
  std::span<const std::string> golds;  // of a choice, its letter
  const Choices& choices;
  int64_t precision = 0;      // mathvista: decimals of a "float" answer
  std::string answer_type{};  // mathvista: text, integer, float, list
};

/// The answer as it was compared, and what it is worth. A value.
struct Verdict {
  std::string parsed;
  double score = 0;
  Outcome outcome = Outcome::wrong;
};

/// @pre rule is none of those over a whole set (caption, perplexity); golds is not empty
Verdict judge(Rule rule, std::string_view answer, const RuleInput& input);

/// The rule of that name. @throws Error{invalid_argument} listing all.
Rule find_rule(std::string_view name);

/// Its name in a recipe.
std::string_view rule_name(Rule rule);

}  // namespace vila::eval
