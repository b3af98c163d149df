// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "eval/task.h"

// Benchmarks that are one table in VLMEvalKit's form (tab-separated: index, question, answer, image
// in base64 or image_path, A, B, …, category, split), each a row here: also anyone's own data.
namespace vila::eval::tables {

/// How an answer is held against the gold.
enum class Rule {
  choice,   // VLMEvalKit's letter rules
  relaxed,  // ChartQA
  anls,     // DocVQA, InfoVQA; the answer cell is a list
  exact,    // equal but for case and outer white space
  guess,    // choice where the table has options, else exact
};

/// One such benchmark.
struct Row {
  const char* name;
  const char* title;
  const char* file;  // name of its table; '*' at the start or end
  const char* protocol;
  Rule rule;
};

inline constexpr std::array kRows = {
    Row{"ai2d", "AI2D", "AI2D*", "option letter; VLMEvalKit's rules, no judge; accuracy",
        Rule::choice},
    Row{"realworldqa", "RealWorldQA", "RealWorldQA*",
        "option letter; VLMEvalKit's rules, no judge; accuracy", Rule::choice},
    Row{"mmstar", "MMStar", "MMStar*", "option letter; VLMEvalKit's rules, no judge; accuracy",
        Rule::choice},
    Row{"chartqa", "ChartQA", "ChartQA*", "single word; relaxed accuracy, mean of splits",
        Rule::relaxed},
    Row{"docvqa", "DocVQA", "DocVQA*", "single word; ANLS", Rule::anls},
    Row{"infovqa", "InfoVQA", "InfoVQA*", "single word; ANLS", Rule::anls},
    Row{"tsv", "own table", "*.tsv", "option letter or single word; letter or exact", Rule::guess},
};

/// Questions of a row's table. @throws Error{not_found | invalid_data}
std::vector<Question> questions(const Row& row, const DataFolder& data);

/// 100 * mean score (reported), per split and per category. @throws as questions(); a question
/// without answer is refused.
Score score(const Row& row, const DataFolder& data, const Answers& answers,
            const ScoreOptions& options);

/// The row as a benchmark.
template <size_t kRow>
constexpr Task task() {
  constexpr int64_t kMaxTokens = 128;
  return {kRows[kRow].name,
          kRows[kRow].title,
          kRows[kRow].protocol,
          [](const DataFolder& data) { return questions(kRows[kRow], data); },
          [](const DataFolder& data, const Answers& answers, const ScoreOptions& options) {
            return score(kRows[kRow], data, answers, options);
          },
          nullptr,
          kMaxTokens,
          1,
          1};
}

}  // namespace vila::eval::tables
