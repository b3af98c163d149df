// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "eval/harness.h"

namespace vila::eval {

/// What the answer file keeps as the question's prompt.
const std::string& stored_prompt(const Question& question);

/// Where the time of a run went, in seconds.
struct AskingTime {
  int64_t asked = 0;    // questions of this run
  double model = 0;     // inside the model
  double pictures = 0;  // reading and decoding pictures
};

/// Asks the questions that `options.out`/answers.jsonl has no answer to, in batches: of each few
/// batches' worth of questions in a row the longest prompts go first, those about one picture
/// together. Every answer is appended and on
/// the disk as soon as the model has finished it, whatever else is in its batch. At the end the
/// file is in the order of the questions.
/// @throws Error{cancelled}; an Error of a question with its row in front.
AskingTime ask_all(std::span<const Question> questions, const Task& task, const Model& model,
                   QuestionPictures& pictures, const EvalOptions& options);

}  // namespace vila::eval
