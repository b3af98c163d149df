// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "eval/choice.h"

namespace vila::eval {

/// Which option an answer means to MMMU's evaluator: a letter in brackets, else between blanks,
/// else (answers of more than five words) an option's text; of several the one that stands last.
/// '\0' where it would draw an option at random: that would be another figure each time. Source:
/// parse_multi_choice_response() of MMMU-Benchmark/MMMU, eval_utils.py.
char mmmu_choice(std::string_view answer, const Choices& choices);

/// Whether an open answer is right to MMMU's evaluator: a key part of it (what follows "is", "so",
/// "answer", …) contains a gold text, or it holds a number that is a gold one to two decimals.
/// Source: parse_open_response() and eval_open() there.
bool is_mmmu_match(std::string_view answer, std::span<const std::string> golds);

}  // namespace vila::eval
