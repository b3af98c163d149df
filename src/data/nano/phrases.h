// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace vila::data::nano {

/// "a red apple", "an owl", "grapes", "Mount Fuji": the name with the article that it takes.
std::string with_article(std::string_view name);

/// Whether the name reads as a plural ("grapes", "scissors"), so that "are" follows it.
bool is_plural(std::string_view name);

/// First letter upper case. ASCII only; other text comes back as it is.
std::string capitalised(std::string_view text);

/// "A red apple." from "a red apple".
std::string as_sentence(std::string_view text);

/// "a cat", "a cat and a dog", "a cat, a dog and a bird".
std::string joined(std::span<const std::string> parts, std::string_view last = " and ");

/// The template with each "{}" replaced by `value`, each "{1}" by `second`.
std::string filled(std::string_view pattern, std::string_view value, std::string_view second = {});

/// One of them, each as likely. @pre not empty
template <typename Range>
const auto& pick(const Range& range, Random& random) {
  return range[static_cast<size_t>(random.below(static_cast<int64_t>(std::size(range))))];
}

/// A generator for the item that `key` names: streams of different keys are independent, so an item
/// comes out the same whatever was drawn before it.
Random random_for(uint64_t seed, std::string_view key);

/// Whether `phrase` stands in `text` as whole words, letter case ignored.
bool contains_words(std::string_view text, std::string_view phrase);

/// Pronounceable words of one or two syllables ("blick", "dax", "tovim") that are none of `taken`
/// (sorted, lower case). Without repeats, the same for the same seed.
std::vector<std::string> made_up_words(int64_t count, uint64_t seed,
                                       std::span<const std::string> taken = {});

}  // namespace vila::data::nano
