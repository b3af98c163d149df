// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/nano/concepts.h"

namespace vila::data::nano {

/// Sentences on the concepts that are not held out, from their names, categories and keywords: "An
/// owl is an animal. It has to do with wisdom and night."
std::vector<std::string> concept_texts(const std::vector<Concept>& concepts, uint64_t seed);

/// Questions with yes or no about the concepts' categories, as many of each.
std::vector<std::string> fact_texts(const std::vector<Concept>& concepts, uint64_t seed);

/// Sums, differences, counting and comparing of small numbers.
std::vector<std::string> arithmetic_texts(uint64_t seed);

/// Lines that only make sense by looking back: a made-up word stands for a concept, then the
/// concept comes again and the word follows.
/// @param taken  real words, sorted: the made-up ones are none of them.
std::vector<std::string> induction_texts(const std::vector<Concept>& concepts,
                                         std::span<const std::string> taken, uint64_t seed);

/// "one" for 1, up to twenty. @pre 0 <= number <= 20
std::string_view number_word(int64_t number);

}  // namespace vila::data::nano
