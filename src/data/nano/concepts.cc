// SPDX-License-Identifier: Apache-2.0
#include "data/nano/concepts.h"

#include <algorithm>
#include <cctype>
#include <set>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/nano/category.h"
#include "data/nano/iconify.h"
#include "data/nano/package.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr std::string_view kJoiner = "\u200d";
constexpr double kWellDrawnShare = 0.7;  // of the held-out concepts
constexpr size_t kWellDrawnVendors = 5;  // drawn by so many of the six

/// Concepts that other sets name in every row; holding them out would empty those sets.
constexpr std::array<std::string_view, 18> kNeverHeldOut = {
    "red apple", "cat",   "dog",   "boat",   "circle", "square", "triangle", "star", "heart",
    "diamond",   "dress", "shirt", "sandal", "shoe",   "coat",   "bag",      "boot", "button"};

std::string with_plain_quotes(std::string_view name) {
  constexpr std::string_view kCurly = "\u2019";
  std::string plain;
  while (!name.empty()) {
    const bool is_curly = name.starts_with(kCurly);
    plain += is_curly ? '\'' : name.front();
    name.remove_prefix(is_curly ? kCurly.size() : 1);
  }
  return plain;
}

/// Whether the emoji stands for a thing that a picture can show apart from its variants.
bool is_wanted(const std::string& emoji, const std::string& name, const std::string& group) {
  if (group == "Flags" || name.starts_with("keycap") || name.find('(') != std::string::npos) {
    return false;
  }
  if (name.find("\u201c") != std::string::npos || name.find(':') != std::string::npos) return false;
  const bool is_joined = emoji.find(kJoiner) != std::string::npos;
  return !(is_joined && group == "People & Body");
}

std::vector<std::string> clean_keywords(const Json& list, const std::string& name) {
  std::vector<std::string> keywords;
  for (const Json& item : list) {
    auto word = item.get<std::string>();
    std::replace(word.begin(), word.end(), '_', ' ');
    const bool is_plain = std::all_of(word.begin(), word.end(), [](char c) {
      return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == ' ';
    });
    if (is_plain && word.size() > 2 && word != name) keywords.push_back(word);
  }
  return keywords;
}

std::vector<Concept> read_names(const std::filesystem::path& folder) {
  const std::string source = "unicode-emoji-json";
  const Json order = parse_json(read_npm_member(folder, source, "data-ordered-emoji.json"), source);
  const Json by_emoji = parse_json(read_npm_member(folder, source, "data-by-emoji.json"), source);
  const Json keywords =
      parse_json(read_npm_member(folder, "emojilib", "dist/emoji-en-US.json"), "emojilib");
  CategoryReader categories;
  std::vector<Concept> concepts;
  for (const Json& item : order) {
    Concept made;
    made.emoji = item.get<std::string>();
    const auto entry = by_emoji.find(made.emoji);
    if (entry == by_emoji.end()) continue;
    made.name = with_plain_quotes(json_require<std::string>(*entry, "name", source));
    made.group = json_require<std::string>(*entry, "group", source);
    made.category = categories.next(made.name, made.group);
    if (!is_wanted(made.emoji, made.name, made.group)) continue;
    const auto words = keywords.find(made.emoji);
    if (words != keywords.end()) made.keywords = clean_keywords(*words, made.name);
    concepts.push_back(std::move(made));
  }
  return concepts;
}

bool may_be_held_out(const Concept& candidate) {
  return candidate.drawings.size() >= 2 &&
         std::none_of(kNeverHeldOut.begin(), kNeverHeldOut.end(),
                      [&](std::string_view word) { return contains_words(candidate.name, word); });
}

}  // namespace

std::string Concept::slug() const {
  std::string result;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      result += static_cast<char>(std::tolower(byte));
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  return result;
}

void mark_held_out(std::vector<Concept>& concepts, int64_t count, uint64_t seed) {
  std::map<std::string, std::vector<size_t>> well_drawn, others;
  int64_t few_drawn = 0;
  for (size_t i = 0; i < concepts.size(); ++i) {
    if (!may_be_held_out(concepts[i])) continue;
    const bool is_well_drawn = concepts[i].drawings.size() >= kWellDrawnVendors;
    (is_well_drawn ? well_drawn : others)[concepts[i].category].push_back(i);
    few_drawn += is_well_drawn ? 0 : 1;
  }
  Random random = random_for(seed, "held-out concepts");
  const auto take = [&](std::map<std::string, std::vector<size_t>>& pools, int64_t wanted) {
    int64_t total = 0, taken = 0;
    for (auto& [category, pool] : pools) {
      shuffle(pool, random);
      total += static_cast<int64_t>(pool.size());
    }
    // Proportional to the categories' sizes, rounded up until there are enough.
    for (const auto& [category, pool] : pools) {
      const auto size = static_cast<int64_t>(pool.size());
      const int64_t share = std::min(size, (size * wanted + total - 1) / total);
      for (int64_t i = 0; i < share && taken < wanted; ++i, ++taken) {
        concepts[pool[static_cast<size_t>(i)]].is_held_out = true;
      }
    }
    return taken;
  };
  const auto first = static_cast<int64_t>(static_cast<double>(count) * kWellDrawnShare);
  const int64_t taken = take(well_drawn, std::max(first, count - few_drawn));
  take(others, count - taken);
}

std::vector<Concept> load_concepts(const std::filesystem::path& folder, uint64_t seed) {
  std::vector<Concept> concepts = read_names(folder);
  for (const Vendor& vendor : kVendors) {
    const IconSet icons(folder, std::string(vendor.name));
    for (Concept& item : concepts) {
      std::string svg = icons.find(item.emoji, item.name);
      if (!svg.empty()) item.drawings.emplace(vendor.name, std::move(svg));
    }
  }
  std::erase_if(concepts, [](const Concept& item) { return item.drawings.empty(); });
  const auto quarter = static_cast<int64_t>(concepts.size()) / 4;
  mark_held_out(concepts, std::min(kHeldOutConcepts, quarter), seed);
  return concepts;
}

bool names_held_out(std::string_view text, const std::vector<Concept>& concepts) {
  return std::any_of(concepts.begin(), concepts.end(), [&](const Concept& item) {
    return item.is_held_out && contains_words(text, item.name);
  });
}

}  // namespace vila::data::nano
