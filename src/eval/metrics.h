// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vila::eval {

/// ChartQA's relaxed correctness: numbers (percent signs understood) within 5 % of a gold that is
/// not 0; anything else equal but for case. Source: Methani et al., "PlotQA", as in lmms-eval.
bool is_relaxed_match(std::string_view prediction, std::string_view gold);

/// Average normalised Levenshtein similarity to the nearest gold, 0 below one half: lower case,
/// white space collapsed, but lengths as they were. Source: Biten et al., "Scene text visual
/// question answering", as in VLMEvalKit. @pre golds is not empty
double anls(std::string_view prediction, std::span<const std::string> golds);

/// Levenshtein distance in code points.
size_t edit_distance(std::string_view a, std::string_view b);

/// The strings of a list as Python prints it ("['a', \"b's\"]"); any other text is its one element.
std::vector<std::string> python_list(std::string_view text);

}  // namespace vila::eval
