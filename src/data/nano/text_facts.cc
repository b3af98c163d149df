// SPDX-License-Identifier: Apache-2.0
#include "data/nano/text_facts.h"

#include <array>

#include "base/error.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

using Texts = std::vector<std::string>;

constexpr int64_t kNamingRows = 20'000;
constexpr int64_t kInductionRows = 30'000;
constexpr int64_t kMadeUpWords = 6'000;

std::vector<const Concept*> trained(const std::vector<Concept>& concepts) {
  std::vector<const Concept*> kept;
  for (const Concept& item : concepts) {
    if (!item.is_held_out) kept.push_back(&item);
  }
  return kept;
}

std::string verb_for(const Concept& item) {
  return is_plural(item.name) ? "are" : "is";
}

std::string several(const std::vector<const Concept*>& pool, int64_t count, Random& random) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i)
    names.push_back(with_article(pick(pool, random)->name));
  return joined(names);
}

/// The captions' forms without a picture: what the language model will have to say.
std::string naming(const std::vector<const Concept*>& pool, Random& random) {
  const std::string name = with_article(pick(pool, random)->name);
  switch (random.below(8)) {
    case 0:
      return "This is " + name + ".";
    case 1:
      return "The picture shows " + name + ".";
    case 2:
      return "What is this? " + as_sentence(name);
    case 3:
      return "a drawing of " + name;
    case 4:
      return "There are " + several(pool, 2 + random.below(3), random) + ".";
    case 5:
      return "The first picture shows " + name + " and the second shows " +
             with_article(pick(pool, random)->name) + ".";
    case 6:
      return "I see " + name + ".";
    default:
      return as_sentence(name);
  }
}

}  // namespace

Texts concept_texts(const std::vector<Concept>& concepts, uint64_t seed) {
  const auto pool = trained(concepts);
  Random random = random_for(seed, "concept texts");
  Texts texts;
  for (const Concept* item : pool) {
    const std::string subject = capitalised(with_article(item->name)) + " " + verb_for(*item);
    const std::string kind = " " + with_article(item->category) + ".";
    std::string about = subject + kind;
    if (!item->keywords.empty()) about += " It has to do with " + joined(item->keywords) + ".";
    texts.push_back(about);
    texts.push_back(capitalised(item->name) + ": " + joined(item->keywords, ", ") + ".");
    texts.push_back("What category is " + with_article(item->name) + "? " +
                    as_sentence(with_article(item->category)));
    texts.push_back(capitalised(with_article(item->name)) + " and " +
                    with_article(pick(pool, random)->name) + " are two things.");
  }
  for (int64_t i = 0; i < kNamingRows; ++i)
    texts.push_back(naming(pool, random));
  return texts;
}

Texts fact_texts(const std::vector<Concept>& concepts, uint64_t seed) {
  Random random = random_for(seed, "fact texts");
  Texts texts;
  for (const Concept* item : trained(concepts)) {
    const std::string question =
        capitalised(verb_for(*item)) + " " + with_article(item->name) + " ";
    texts.push_back(question + with_article(item->category) + "? Yes.");
    for (int64_t i = 0; i < 2; ++i) {
      const std::string& other = pick(category_names(), random);
      if (other == item->category) continue;
      texts.push_back(question + with_article(other) + "? No.");
      texts.push_back(question + with_article(item->category) + " or " + with_article(other) +
                      "? " + as_sentence(with_article(item->category)));
    }
  }
  return texts;
}

Texts arithmetic_texts(uint64_t seed) {
  static constexpr std::array<std::string_view, 8> kThings = {
      "apples", "dogs", "boats", "stars", "circles", "books", "red squares", "birds"};
  Random random = random_for(seed, "arithmetic texts");
  Texts texts;
  for (int64_t a = 0; a <= 20; ++a) {
    for (int64_t b = 0; b <= 20; ++b) {
      texts.push_back(fmt::format("{} + {} = {}.", a, b, a + b));
      texts.push_back(fmt::format("What is {} plus {}? {}.", a, b, a + b));
      if (b <= a) texts.push_back(fmt::format("{} - {} = {}.", a, b, a - b));
      if (b <= a) texts.push_back(fmt::format("What is {} minus {}? {}.", a, b, a - b));
      if (a != b) texts.push_back(fmt::format("{} is {} than {}.", a, a > b ? "more" : "less", b));
      if (a < 1 || b < 1 || a + b > 20) continue;
      const std::string_view things = pick(kThings, random);
      texts.push_back(fmt::format("{} {} and {} {} are {} {}.", capitalised(number_word(a)), things,
                                  number_word(b), things, number_word(a + b), things));
    }
    if (a < 20) texts.push_back(fmt::format("After {} comes {}.", a, a + 1));
    texts.push_back(fmt::format("The number {} is written {}.", number_word(a), a));
  }
  return texts;
}

Texts induction_texts(const std::vector<Concept>& concepts, std::span<const std::string> taken,
                      uint64_t seed) {
  static constexpr std::array<std::array<std::string_view, 2>, 5> kForms = {{{"{}", " is a {1}. "},
                                                                             {"{}", ": {1}\n"},
                                                                             {"{}", " = {1}; "},
                                                                             {"{}", " means {1}. "},
                                                                             {"{}", ", {1}. "}}};
  const auto pool = trained(concepts);
  const std::vector<std::string> words = made_up_words(kMadeUpWords, seed, taken);
  Random random = random_for(seed, "induction texts");
  Texts texts;
  for (int64_t i = 0; i < kInductionRows; ++i) {
    const auto& form = pick(kForms, random);
    const int64_t pairs = 2 + random.below(3);
    std::vector<std::pair<std::string, std::string>> meanings;
    for (int64_t p = 0; p < pairs; ++p) {
      meanings.emplace_back(with_article(pick(pool, random)->name), pick(words, random));
    }
    std::string text;
    const auto add = [&](const std::pair<std::string, std::string>& meaning) {
      text += filled(form[0], meaning.first) + filled(form[1], "", meaning.second);
    };
    for (const auto& meaning : meanings)
      add(meaning);
    const int64_t queries = 1 + random.below(4);
    for (int64_t q = 0; q < queries; ++q)
      add(pick(meanings, random));
    while (text.back() == ' ' || text.back() == '\n')
      text.pop_back();
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string_view number_word(int64_t number) {
  static constexpr std::array<std::string_view, 21> kWords = {
      "zero",     "one",     "two",     "three",     "four",     "five",     "six",
      "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
      "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
  VILA_CHECK(number >= 0 && number <= 20);
  return kWords[static_cast<size_t>(number)];
}

}  // namespace vila::data::nano
