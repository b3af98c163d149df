// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task.h"

namespace vila::eval {

inline constexpr std::string_view kSingleWord =
    "\nAnswer the question using a single word or phrase.";
inline constexpr std::string_view kOptionLetter =
    "\nAnswer with the option's letter from the given choices directly.";

/// LLaVA's question files: JSON lines {"question_id", "image"?, "text", "category"?}.
std::vector<Question> read_llava_questions(const std::filesystem::path& path);

/// The answer to `key`. nullptr where there is none and only a part is scored.
/// @throws Error{invalid_data} naming `row`, as the official scorer refuses too.
const Answer* require_answer(AnswerIndex& index, std::string_view key, const std::string& row,
                             const ScoreOptions& options);

/// Notes answers that are repeated or to other questions, and how many questions were left out of a
/// partial score. @throws Error{invalid_data} when most answers are to other questions: wrong
/// split.
void note_leftovers(const AnswerIndex& index, Score& score);

/// A score without figures for a split whose gold answers only the server has.
Score score_on_server(std::string_view task, const Answers& answers, std::string_view server);

/// json.dumps() of a string: ASCII, other characters escaped.
std::string python_json(std::string_view text);

/// 2d of the evaluation specification: the mean over the humans of min(1, others who agree / 3).
/// Both sides normalised by the caller. @pre golds is not empty
double soft_accuracy(std::span<const std::string> golds, std::string_view prediction);

}  // namespace vila::eval
