// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vila::eval {

/// The options of a question by letter, in order.
using Choices = std::vector<std::pair<char, std::string>>;

/// Which option an answer means, by rule alone: a letter, 'Z' for a refusal, '\0' when the rules do
/// not tell. Source: can_infer() of VLMEvalKit (e8e78f0), without its judge and random fallback.
char infer_choice(std::string_view answer, const Choices& choices);

}  // namespace vila::eval
