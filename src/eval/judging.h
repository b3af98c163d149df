// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "eval/answers.h"
#include "eval/data_folder.h"

namespace vila::eval {

/// One request to a judge: a chat completion as OpenAI's API takes it. A value.
struct JudgeRequest {
  std::vector<std::pair<std::string, std::string>> messages;  // role and content
  double temperature = 0;
  int64_t max_tokens = 0;
};

/// What the judge wrote, and which model the endpoint says it is.
struct JudgeReply {
  std::string model;
  std::string text;
};

/// A judge, as this layer sees it: it knows no network. Retries are the judge's own.
using Judge = std::function<JudgeReply(const JudgeRequest& request)>;

/// The body of the request: {"model", "messages", "temperature", "max_tokens"}.
Json completion_body(const JudgeRequest& request, const std::string& model);

/// What a body of a response says. @throws Error{invalid_data} naming `source`, with the endpoint's
/// own message where it gives one.
JudgeReply read_completion(const std::string& body, const std::string& source);

/// What LLaVA-Bench asks of its judge about one answer.
struct ReviewMaterial {
  std::string context;  // what the picture shows, in words
  std::string question;
  std::string reference;  // GPT-4's answer
  std::string candidate;
  std::string role;  // "Assistant"
  std::string rule;  // how to judge: of LLaVA's rule.json
};

/// Source: eval_gpt_review_bench.py of LLaVA.
JudgeRequest review_request(const ReviewMaterial& material);

/// What MM-Vet asks about one answer; the second question is put again when the first reply is no
/// grade. @param examples  the evaluator's instructions and solved examples, as in its script.
/// Source: mm-vet_evaluator.py.
JudgeRequest grade_request(const std::string& examples, const std::string& question,
                           const std::string& gold, const std::string& answer);

/// Adds what the evaluator adds when it asks again.
void insist(JudgeRequest& request);

/// A grade: the first of the words that a blank separates, a number from 0 to 1. nullopt for none.
std::optional<double> parse_grade(std::string_view reply);

/// How far the judging is.
using OnJudged = std::function<void(int64_t done, int64_t total)>;

/// Has answers of "llava-bench" or "mm-vet" judged, one after another. `reviews` gets each review
/// as soon as it is there, in the published form (JSON lines for LLaVA-Bench, one object for
/// MM-Vet), which read_answers() and the scorers take; a file that has some already is gone on
/// with.
///
/// The data folder needs, beside the questions: for LLaVA-Bench context.jsonl, answers_gpt4.jsonl
/// and LLaVA's rule.json (llava/eval/table); for MM-Vet mm-vet.json and the evaluator's own script
/// mm-vet_evaluator.py, or its instructions alone as mm-vet_prompt.txt.
/// @throws Error{not_found} naming the file; Error{invalid_data} a question without answer;
///         Error{invalid_argument} a benchmark that no judge scores; what the judge throws.
void judge_answers(const std::string& task, const DataFolder& data, const Answers& answers,
                   const Judge& judge, const std::filesystem::path& reviews,
                   const OnJudged& on_judged = {});

}  // namespace vila::eval
