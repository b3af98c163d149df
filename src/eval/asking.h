// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "eval/harness.h"

namespace vila::eval {

/// What the answer file keeps as the question's prompt.
const std::string& stored_prompt(const Question& question);

/// Asks the questions that `options.out`/answers.jsonl has no answer to, in batches: of each few
/// batches' worth of questions in a row (so that one picture's stay together) the longest prompts
/// go first, so that those of a batch end at about the same time. Every answer is appended and on
/// the disk as soon as the model has finished it. At the end the file is in the order of the
/// questions.
/// @throws Error{cancelled}; an Error of a question with its row in front.
void ask_all(std::span<const Question> questions, const Task& task, const Model& model,
             QuestionPictures& pictures, const EvalOptions& options);

}  // namespace vila::eval
