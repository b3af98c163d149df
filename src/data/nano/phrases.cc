// SPDX-License-Identifier: Apache-2.0
#include "data/nano/phrases.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/error.h"

namespace vila::data::nano {

namespace {

constexpr std::array<std::string_view, 34> kUncountable = {
    "rice",     "bread",     "water",  "fire",      "honey",    "butter", "salt",
    "bacon",    "ice",       "snow",   "rain",      "fog",      "wind",   "corn",
    "garlic",   "milk",      "sushi",  "spaghetti", "money",    "soap",   "medicine",
    "golf",     "flatbread", "karate", "juggling",  "cheese",   "meat",   "sake",
    "broccoli", "mail",      "oil",    "popcorn",   "lacrosse", "luggage"};
constexpr std::array<std::string_view, 10> kPluralWithoutS = {
    "people", "men", "women", "children", "bellhops", "feet", "teeth", "sparkler", "dice", "mice"};
constexpr std::array<std::string_view, 12> kSingularWithS = {
    "cactus", "bus",   "octopus", "lotus",  "compass", "hibiscus",
    "glass",  "dress", "walrus",  "tennis", "abacus",  "hippopotamus"};
constexpr std::array<std::string_view, 8> kConsonantSound = {"uni", "use", "euro", "one",
                                                             "uku", "ut",  "ewe",  "u-"};

template <typename Range>
bool holds(const Range& range, std::string_view word) {
  return std::find(std::begin(range), std::end(range), word) != std::end(range);
}

/// The word that says what the thing is: "face" of "face with tears of joy".
std::string_view head_word(std::string_view name) {
  for (const std::string_view stop :
       {" with ", " of ", " in ", " on ", ": ", " without ", " and "}) {
    const size_t at = name.find(stop);
    if (at != std::string_view::npos) name = name.substr(0, at);
  }
  const size_t space = name.rfind(' ');
  return space == std::string_view::npos ? name : name.substr(space + 1);
}

bool is_upper(char c) {
  return std::isupper(static_cast<unsigned char>(c)) != 0;
}

char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

bool is_word_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

bool starts_with_vowel_sound(std::string_view name) {
  if (name.starts_with("hour") || name.starts_with("honest")) return true;
  for (const std::string_view start : kConsonantSound) {
    if (name.starts_with(start)) return false;
  }
  return std::string_view("aeiouAEIO").find(name.front()) != std::string_view::npos;
}

uint64_t hash_of(std::string_view key) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : key)
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

std::string made_up_word(Random& random) {
  static constexpr std::array<std::string_view, 38> kOnsets = {
      "b",  "d",  "f",  "g",  "k",  "l",  "m",  "n",  "p",  "r",  "s",  "t",  "v",
      "w",  "z",  "bl", "br", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "pl", "pr",
      "sk", "sl", "sm", "sn", "sp", "st", "tr", "tw", "th", "sh", "ch", "j"};
  static constexpr std::array<std::string_view, 9> kVowels = {"a",  "e",  "i",  "o", "u",
                                                              "ee", "oo", "ai", "a"};
  static constexpr std::array<std::string_view, 19> kCodas = {
      "b", "d", "g",  "ck", "l",  "m",  "n",  "p",  "r", "s",
      "t", "x", "zz", "ft", "nk", "mp", "rn", "sk", "v"};
  std::string word;
  if (random.below(2) == 0) {
    word += pick(kOnsets, random);
    word += pick(kVowels, random);
  }
  word += pick(kOnsets, random);
  word += pick(kVowels, random);
  word += pick(kCodas, random);
  return word;
}

}  // namespace

std::string with_article(std::string_view name) {
  VILA_CHECK(!name.empty());
  const std::string_view head = head_word(name);
  const bool is_proper = is_upper(name.front()) &&
                         (name.find(' ') == std::string_view::npos || is_upper(head.front()));
  const bool is_initials = name.size() > 1 && is_upper(name[0]) && is_upper(name[1]);
  const bool has_article = !is_plural(name) && !holds(kUncountable, head) &&
                           (!is_proper || is_initials) && !name.starts_with("the ") &&
                           !name.starts_with("Mount ") && !name.starts_with("Statue ");
  if (!has_article) return std::string(name);
  return (starts_with_vowel_sound(name) ? "an " : "a ") + std::string(name);
}

bool is_plural(std::string_view name) {
  const std::string_view head = head_word(name);
  if (holds(kPluralWithoutS, head)) return true;
  return head.size() > 2 && head.ends_with("s") && !head.ends_with("ss") && !head.ends_with("us") &&
         !holds(kSingularWithS, head);
}

std::string capitalised(std::string_view text) {
  std::string result(text);
  if (!result.empty()) {
    result[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(result[0])));
  }
  return result;
}

std::string as_sentence(std::string_view text) {
  return capitalised(text) + ".";
}

std::string joined(std::span<const std::string> parts, std::string_view last) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? last : std::string_view(", ");
    text += parts[i];
  }
  return text;
}

std::string filled(std::string_view pattern, std::string_view value, std::string_view second) {
  std::string text;
  for (size_t i = 0; i < pattern.size();) {
    if (pattern.substr(i).starts_with("{}")) {
      text += value;
      i += 2;
    } else if (pattern.substr(i).starts_with("{1}")) {
      text += second;
      i += 3;
    } else {
      text += pattern[i++];
    }
  }
  return text;
}

Random random_for(uint64_t seed, std::string_view key) {
  return Random(seed, hash_of(key));
}

bool contains_words(std::string_view text, std::string_view phrase) {
  if (phrase.empty()) return false;
  const auto equal = [](char a, char b) { return lower(a) == lower(b); };
  auto from = text.begin();
  while (true) {
    const auto at = std::search(from, text.end(), phrase.begin(), phrase.end(), equal);
    if (at == text.end()) return false;
    const auto end = at + static_cast<std::ptrdiff_t>(phrase.size());
    const bool is_start = at == text.begin() || !is_word_letter(*(at - 1));
    const bool is_end = end == text.end() || !is_word_letter(*end);
    if (is_start && is_end) return true;
    from = at + 1;
  }
}

std::vector<std::string> made_up_words(int64_t count, uint64_t seed,
                                       std::span<const std::string> taken) {
  Random random = random_for(seed, "made-up words");
  std::set<std::string> seen;
  std::vector<std::string> words;
  while (static_cast<int64_t>(words.size()) < count) {
    std::string word = made_up_word(random);
    if (std::binary_search(taken.begin(), taken.end(), word) || !seen.insert(word).second) continue;
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace vila::data::nano
