// SPDX-License-Identifier: Apache-2.0
#include "eval/normalise.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "eval/contractions.h"
#include "eval/python_text.h"

namespace vila::eval {
namespace {

// What a variant does around P and D.
struct Steps {
  Normaliser which;
  bool splits_possessives;  // lower, no "," and "?", "'s" to " 's"
  bool cleans;
  bool has_words;  // D follows P
  ContractionTable table;
};

constexpr std::array kSteps = {
    Steps{Normaliser::vqa, false, true, true, ContractionTable::vqa},
    Steps{Normaliser::vqa_punct, false, false, false, ContractionTable::vqa},
    Steps{Normaliser::m4c, true, true, true, ContractionTable::vqa},
    Steps{Normaliser::vizwiz, false, true, true, ContractionTable::vizwiz},
};

constexpr std::string_view kMarks = ";/[]\"{}()=+\\_-><@`,?!";

// re.sub was handed a flag where it takes a count, so no more periods than this go.
constexpr int kMaxPeriods = 32;

struct NumberWord {
  std::string_view word;
  std::string_view digits;
};

constexpr std::array kNumbers = {
    NumberWord{"none", "0"},  NumberWord{"zero", "0"},  NumberWord{"one", "1"},
    NumberWord{"two", "2"},   NumberWord{"three", "3"}, NumberWord{"four", "4"},
    NumberWord{"five", "5"},  NumberWord{"six", "6"},   NumberWord{"seven", "7"},
    NumberWord{"eight", "8"}, NumberWord{"nine", "9"},  NumberWord{"ten", "10"}};

const Steps& steps_of(Normaliser which) {
  const auto found = std::find_if(kSteps.begin(), kSteps.end(),
                                  [which](const Steps& steps) { return steps.which == which; });
  VILA_CHECK(found != kSteps.end());
  return *found;
}

bool has_comma_between_digits(std::string_view text) {
  for (size_t at = text.find(','); at != std::string_view::npos; at = text.find(',', at + 1)) {
    if (ends_with_digit(text, at) && starts_with_digit(text, at + 1)) return true;
  }
  return false;
}

bool touches_space(std::string_view text, char mark) {
  for (size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + 1)) {
    if (at + 1 < text.size() && text[at + 1] == ' ') return true;
    if (at > 0 && text[at - 1] == ' ') return true;
  }
  return false;
}

std::string strip_periods(std::string_view text) {
  std::string stripped;
  int removed = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' && removed < kMaxPeriods && !starts_with_digit(text, i + 1)) {
      ++removed;
    } else {
      stripped += text[i];
    }
  }
  return stripped;
}

// P: a mark that touches a space anywhere in the text goes everywhere, and one comma between
// digits makes every mark go; else the mark becomes a space.
std::string process_punctuation(std::string_view text) {
  if (text.find_first_of(kMarks) == std::string_view::npos) return strip_periods(text);
  const bool drops_all = has_comma_between_digits(text);
  std::array<bool, 128> drops{};
  for (const char mark : kMarks)
    drops[static_cast<size_t>(mark)] = drops_all || touches_space(text, mark);
  std::string spaced;
  spaced.reserve(text.size());
  for (const char c : text) {
    if (kMarks.find(c) == std::string_view::npos) {
      spaced += c;
    } else if (!drops[static_cast<size_t>(c)]) {
      spaced += ' ';
    }
  }
  return strip_periods(spaced);
}

bool is_article(std::string_view word) {
  return word == "a" || word == "an" || word == "the";
}

// D: lower case, number words to digits, articles dropped, contractions given their apostrophe.
std::string process_words(std::string_view text, ContractionTable table) {
  const std::string lower = python_lower(text);
  std::string joined;
  bool is_first = true;
  for (const std::string_view found : python_split(lower)) {
    if (is_article(found)) continue;
    std::string word(found);
    for (const NumberWord& number : kNumbers) {
      if (number.word == word) word = number.digits;
    }
    expand_contraction(word, table);
    if (!is_first) joined += ' ';
    is_first = false;
    joined += word;
  }
  return joined;
}

std::string split_possessives(std::string_view text) {
  std::string lower = python_lower(text);
  std::erase_if(lower, [](char c) { return c == ',' || c == '?'; });
  return std::string(python_strip(replace_all(lower, "'s", " 's")));
}

bool are_equal(const std::vector<std::string>& texts) {
  return std::all_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return text == texts.front(); });
}

// Enough for every answer that people give more than once.
constexpr size_t kMostKnown = size_t{1} << 16;

// Whether clean_answer() leaves it as it is, told without Unicode's white space: where in doubt,
// no.
bool is_clean(std::string_view answer) {
  const auto is_inner = [](char c) { return c > ' ' && c < 0x7F; };
  return answer.empty() || (is_inner(answer.front()) && is_inner(answer.back()) &&
                            answer.find_first_of("\n\t") == std::string_view::npos);
}

// What both ways of normalising a pair do; they differ in what normalises one answer.
template <typename NormaliseHuman, typename NormalisePrediction>
void apply_version(VqaVersion version, std::vector<std::string>& humans, std::string& prediction,
                   NormaliseHuman&& human_form, NormalisePrediction&& form) {
  const bool is_2016 = version == VqaVersion::of_2016;  // which did not even strip the humans
  for (std::string& human : humans) {
    if (!is_2016 && !is_clean(human)) human = clean_answer(human);
  }
  prediction = clean_answer(prediction);
  const bool is_unanimous = are_equal(humans);
  if (is_2016 || !is_unanimous) prediction = form(prediction);
  for (std::string& human : humans) {
    if (!is_unanimous) human = human_form(human);
  }
}

Normaliser human_normaliser(VqaVersion version) {
  return version == VqaVersion::of_2016 ? Normaliser::vqa_punct : Normaliser::vqa;
}

}  // namespace

std::string clean_answer(std::string_view answer) {
  std::string spaced(answer);
  std::replace_if(
      spaced.begin(), spaced.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return std::string(python_strip(spaced));
}

std::string normalise(std::string_view answer, Normaliser which) {
  const Steps& steps = steps_of(which);
  std::string text = steps.splits_possessives ? split_possessives(answer) : std::string(answer);
  if (steps.cleans) text = clean_answer(text);
  text = process_punctuation(text);
  return steps.has_words ? process_words(text, steps.table) : text;
}

void normalise_pair(std::vector<std::string>& humans, std::string& prediction, VqaVersion version) {
  apply_version(
      version, humans, prediction,
      [&](const std::string& human) { return normalise(human, human_normaliser(version)); },
      [](const std::string& answer) { return normalise(answer, Normaliser::vqa); });
}

const std::string& NormaliserMemory::operator()(const std::string& answer) {
  if (const auto found = known_.find(answer); found != known_.end()) return found->second;
  if (known_.size() >= kMostKnown) known_.clear();
  return known_.emplace(answer, normalise(answer, which_)).first->second;
}

PairNormaliser::PairNormaliser(VqaVersion version)
    : version_(version), humans_(human_normaliser(version)), prediction_(Normaliser::vqa) {}

void PairNormaliser::operator()(std::vector<std::string>& humans, std::string& prediction) {
  apply_version(version_, humans, prediction, humans_, prediction_);
}

}  // namespace vila::eval
