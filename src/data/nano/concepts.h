// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/nano/build.h"

namespace vila::data::nano {

/// One emoji set: a drawing style.
struct Vendor {
  std::string_view name;      // as in Iconify
  std::string_view licence;   // SPDX
  bool is_test_only = false;  // a whole style kept out of training
};

inline constexpr std::array<Vendor, 6> kVendors = {{{"noto", "Apache-2.0", false},
                                                    {"noto-v1", "Apache-2.0", false},
                                                    {"fluent-emoji-flat", "MIT", false},
                                                    {"openmoji", "CC-BY-SA-4.0", false},
                                                    {"emojione", "CC-BY-4.0", false},
                                                    {"fxemoji", "Apache-2.0", true}}};

/// What one emoji means. A value.
struct Concept {
  std::string emoji;
  std::string name;      ///< Unicode short name: "red apple"
  std::string group;     ///< Unicode group: "Food & Drink"
  std::string category;  ///< one of category_names(): "food"
  std::vector<std::string> keywords;
  bool is_held_out = false;
  std::map<std::string, std::string, std::less<>> drawings;  ///< vendor -> SVG document

  /// "red-apple": for file names.
  std::string slug() const;
};

/// Words that answer "What category is this?".
const std::vector<std::string>& category_names();

/// All concepts in Unicode's order with the drawings of every vendor. Left out: country flags, skin
/// tones, pairs and professions by gender, buttons with Japanese writing, keycaps.
/// 150 of them are marked as held out, by seed, spread over the categories, at least 60 % among
/// those that nearly all vendors draw.
/// @throws Error{not_found} naming the npm package; Error{invalid_data} when one is not as
/// expected.
std::vector<Concept> load_concepts(const std::filesystem::path& folder, uint64_t seed);

/// Number of concepts that are kept out of every training set; a quarter of all where that is less.
inline constexpr int64_t kHeldOutConcepts = 150;

/// Whether `text` names a held-out concept, as whole words.
bool names_held_out(std::string_view text, const std::vector<Concept>& concepts);

/// Marks `count` concepts as held out (load_concepts does so; apart for tests).
void mark_held_out(std::vector<Concept>& concepts, int64_t count, uint64_t seed);

}  // namespace vila::data::nano
