// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "data/nano/instructions.h"
#include "data/nano/phrases.h"
#include "data/nano/text_facts.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kDefinitions = 9'000;
constexpr int64_t kOpposites = 2'000;
constexpr int64_t kSynonyms = 3'500;
constexpr int64_t kSpellings = 2'500;
constexpr int64_t kSums = 2'500;
constexpr int64_t kKinds = 3'000;
constexpr int64_t kMembers = 1'500;
constexpr size_t kLongestDefinition = 110;

bool is_plain(const std::string& word) {
  return word.size() > 1 && std::all_of(word.begin(), word.end(), [](char c) {
           return std::islower(static_cast<unsigned char>(c)) != 0;
         });
}

/// Common words that are no names: the index writes Vienna "vienna", its meaning does not.
std::vector<std::string> plain_words(const WordNet& wordnet, PartOfSpeech part) {
  std::vector<std::string> words;
  for (const std::string& word : wordnet.common_words(part)) {
    if (!is_plain(word)) continue;
    const Synset* meaning = wordnet.first_meaning(part, word);
    const bool is_listed = meaning && std::find(meaning->words.begin(), meaning->words.end(),
                                                word) != meaning->words.end();
    if (is_listed) words.push_back(word);
  }
  return words;
}

/// Questions about words; writes into one file with one generator.
class WordQuestions {
 public:
  WordQuestions(InstructionFile& file, const WordNet& wordnet, Random random)
      : file_(file), wordnet_(wordnet), random_(random) {
    nouns_ = plain_words(wordnet, PartOfSpeech::noun);
    adjectives_ = plain_words(wordnet, PartOfSpeech::adjective);
    verbs_ = plain_words(wordnet, PartOfSpeech::verb);
  }

  void define() {
    shuffle(nouns_, random_);
    int64_t left = kDefinitions;
    for (const std::string& noun : nouns_) {
      const Synset* meaning = wordnet_.first_meaning(PartOfSpeech::noun, noun);
      if (left == 0) break;
      if (!meaning || meaning->definition.empty()) continue;
      if (meaning->definition.size() > kLongestDefinition) continue;
      const std::string sentence =
          sentence_of({PartOfSpeech::noun, {}, meaning->definition, {}, {}, {}}, noun);
      const bool is_one = sentence.starts_with("A ") || sentence.starts_with("An ");
      ask("What is " + (is_one ? with_article(noun) : noun) + "?", sentence);
      --left;
    }
  }

  void oppose() {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const PartOfSpeech part :
         {PartOfSpeech::adjective, PartOfSpeech::noun, PartOfSpeech::verb}) {
      for (const Synset& synset : wordnet_.synsets(part)) {
        pairs.insert(pairs.end(), synset.opposites.begin(), synset.opposites.end());
      }
    }
    shuffle(pairs, random_);
    if (static_cast<int64_t>(pairs.size()) > kOpposites) pairs.resize(kOpposites);
    for (const auto& [word, opposite] : pairs) {
      ask("What is the opposite of " + word + "?", as_sentence(opposite));
    }
  }

  void name_synonyms() {
    for (int64_t left = kSynonyms; left > 0;) {
      const bool is_noun = random_.below(2) == 0;
      const std::string& word = pick(is_noun ? nouns_ : adjectives_, random_);
      const Synset* meaning =
          wordnet_.first_meaning(is_noun ? PartOfSpeech::noun : PartOfSpeech::adjective, word);
      if (!meaning || meaning->words.size() < 2) continue;
      const std::string& other = meaning->words[meaning->words[0] == word ? 1 : 0];
      ask("What is another word for " + word + "?", as_sentence(other));
      --left;
    }
  }

  void spell() {
    for (int64_t i = 0; i < kSpellings; ++i) {
      const std::string& word = pick(i % 2 == 0 ? nouns_ : verbs_, random_);
      std::string letters;
      for (const char c : word)
        letters += (letters.empty() ? "" : "-") + std::string(1, c);
      ask("How do you spell " + word + "?", capitalised(letters) + ".");
    }
  }

  void classify() {
    for (int64_t left = kKinds; left > 0;) {
      const std::string& word = pick(nouns_, random_);
      const Synset* meaning = wordnet_.first_meaning(PartOfSpeech::noun, word);
      if (!meaning || meaning->kinds_of.empty()) continue;
      const Synset* kind = wordnet_.at_offset(PartOfSpeech::noun, meaning->kinds_of.front());
      if (!kind) continue;
      ask("What kind of thing is " + with_article(word) + "?",
          as_sentence(with_article(kind->words.front())));
      --left;
    }
  }

 private:
  void ask(const std::string& question, const std::string& answer) {
    file_.add({}, question, answer);
  }

  InstructionFile& file_;
  const WordNet& wordnet_;
  Random random_;
  std::vector<std::string> nouns_;
  std::vector<std::string> adjectives_;
  std::vector<std::string> verbs_;
};

void add_sums(InstructionFile& file, Random& random) {
  for (int64_t i = 0; i < kSums; ++i) {
    const int64_t a = random.below(21);
    const int64_t b = random.below(a + 1);
    switch (i % 4) {
      case 0:
        file.add({}, fmt::format("What is {} plus {}?", a, b), fmt::format("{}.", a + b));
        break;
      case 1:
        file.add({}, fmt::format("What is {} minus {}?", a, b), fmt::format("{}.", a - b));
        break;
      case 2:
        file.add({}, fmt::format("What comes after {}?", a), fmt::format("{}.", a + 1));
        break;
      default:
        file.add({}, fmt::format("Is {} more than {}?", a, b), a > b ? "Yes." : "No.");
    }
  }
}

/// Facts on the concepts that training pictures show: category, yes and no, members of a category.
void add_concepts(InstructionFile& file, const std::vector<Concept>& concepts, Random& random) {
  std::vector<const Concept*> pool;
  for (const Concept& item : concepts) {
    if (!item.is_held_out) pool.push_back(&item);
  }
  for (const Concept* item : pool) {
    const std::string name = with_article(item->name);
    const std::string be = is_plural(item->name) ? "Are " : "Is ";
    file.add({}, "What category is " + name + "?", as_sentence(with_article(item->category)));
    file.add({}, be + name + " " + with_article(item->category) + "?", "Yes.");
    const std::string& other = pick(category_names(), random);
    if (other != item->category) {
      file.add({}, be + name + " " + with_article(other) + "?", "No.");
    }
  }
  for (int64_t i = 0; i < kMembers; ++i) {
    const std::string& category = pick(pool, random)->category;
    std::vector<std::string> names;
    while (names.size() < 3) {
      const Concept* item = pick(pool, random);
      const std::string name = with_article(item->name);
      const bool is_new = std::find(names.begin(), names.end(), name) == names.end();
      if (item->category == category && is_new) names.push_back(name);
    }
    file.add({}, "Name three things of the category " + category + ".", as_sentence(joined(names)));
  }
}

}  // namespace

void write_text_instructions(const BuildContext& context, const WordNet& wordnet,
                             const std::vector<Concept>& concepts) {
  InstructionFile file("text");
  Random random = context.random("text instructions");
  WordQuestions words(file, wordnet, context.random("word questions"));
  words.define();
  words.oppose();
  words.name_synonyms();
  words.spell();
  words.classify();
  add_sums(file, random);
  add_concepts(file, concepts, random);
  file.write(context);
}

}  // namespace vila::data::nano
