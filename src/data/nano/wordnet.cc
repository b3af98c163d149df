// SPDX-License-Identifier: Apache-2.0
#include "data/nano/wordnet.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "base/error.h"
#include "data/nano/context.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr std::array<std::string_view, 4> kFileNames = {"noun", "verb", "adj", "adv"};

std::string spaced(std::string word) {
  std::replace(word.begin(), word.end(), '_', ' ');
  // Adjectives carry their place: "ablaze(p)".
  const size_t bracket = word.find('(');
  return bracket == std::string::npos ? word : word.substr(0, bracket);
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" ;,:");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" ;,:") - begin + 1));
}

void read_gloss(std::string_view gloss, Synset& synset) {
  const size_t quote = gloss.find('"');
  synset.definition = trimmed(gloss.substr(0, quote));
  for (size_t begin = quote; begin != std::string_view::npos;) {
    const size_t end = gloss.find('"', begin + 1);
    if (end == std::string_view::npos) break;
    std::string example = trimmed(gloss.substr(begin + 1, end - begin - 1));
    if (example.find(' ') != std::string::npos) synset.examples.push_back(std::move(example));
    begin = gloss.find('"', end + 1);
  }
}

int64_t to_number(std::string_view digits, int base, std::string_view source) {
  int64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (result.ec != std::errc()) {
    fail(ErrorCode::invalid_data, "{}: expected a number of base {}, found '{}'", source, base,
         digits);
  }
  return value;
}

bool is_defined_as_one(std::string_view definition) {
  for (const std::string_view start : {"a ", "an ", "any ", "someone ", "one ", "(a"}) {
    if (definition.starts_with(start)) return true;
  }
  return false;
}

std::string as_example(std::string_view example) {
  const std::string text = capitalised(example);
  return std::string_view(".!?").find(text.back()) == std::string_view::npos ? text + "." : text;
}

/// Reads index.*: which meaning of a word comes first, and whether tagged texts use it.
struct IndexEntry {
  std::string word;
  int64_t first_offset = 0;
  bool is_common = false;
};

IndexEntry parse_index(const std::string& line, std::string_view source) {
  std::istringstream fields(line);
  IndexEntry entry;
  std::string part, skipped;
  int64_t meanings = 0, pointers = 0, senses = 0, tagged = 0;
  fields >> entry.word >> part >> meanings >> pointers;
  for (int64_t i = 0; i < pointers; ++i)
    fields >> skipped;
  fields >> senses >> tagged >> entry.first_offset;
  if (!fields) fail(ErrorCode::invalid_data, "{}: cannot read the line '{}'", source, line);
  entry.word = spaced(entry.word);
  entry.is_common = tagged > 0;
  return entry;
}

}  // namespace

Synset parse_synset(std::string_view line, PartOfSpeech part, std::string_view source) {
  const size_t bar = line.find("| ");
  if (bar == std::string_view::npos) {
    fail(ErrorCode::invalid_data, "{}: expected '|' and a gloss in '{}'", source, line);
  }
  Synset synset;
  synset.part = part;
  read_gloss(line.substr(bar + 2), synset);
  std::istringstream fields{std::string(line.substr(0, bar))};
  std::string field, word, id;
  fields >> field >> field >> field >> field;
  const int64_t words = to_number(field, 16, source);
  for (int64_t i = 0; i < words; ++i) {
    fields >> word >> id;
    synset.words.push_back(spaced(word));
  }
  std::string symbol, target, target_part, which;
  fields >> field;
  const int64_t pointers = to_number(field, 10, source);
  for (int64_t i = 0; i < pointers; ++i) {
    fields >> symbol >> target >> target_part >> which;
    if (symbol == "@") synset.kinds_of.push_back(to_number(target, 10, source));
    if (symbol == "!") {
      // Until the other meaning is read, its offset and the word's number stand for the antonym.
      const auto own = static_cast<size_t>(to_number(which.substr(0, 2), 16, source));
      if (own >= 1 && own <= synset.words.size()) {
        synset.opposites.emplace_back(synset.words[own - 1], target + which.substr(2, 2));
      }
    }
  }
  if (!fields) fail(ErrorCode::invalid_data, "{}: cannot read the line '{}'", source, line);
  return synset;
}

WordNet::WordNet(const std::filesystem::path& folder) : tables_(kFileNames.size()) {
  for (size_t p = 0; p < kFileNames.size(); ++p) {
    Table& table = tables_[p];
    const std::string source = fmt::format("data.{}", kFileNames[p]);
    for (const std::string& line : read_lines(folder / source)) {
      if (line.starts_with("  ")) continue;  // the licence
      table.by_offset[to_number(line.substr(0, 8), 10, source)] = table.synsets.size();
      table.synsets.push_back(parse_synset(line, static_cast<PartOfSpeech>(p), source));
    }
    for (Synset& synset : table.synsets) {
      for (auto& [word, opposite] : synset.opposites) {
        const int64_t offset = to_number(std::string_view(opposite).substr(0, 8), 10, source);
        const auto number = static_cast<size_t>(to_number(opposite.substr(8), 16, source));
        const auto other = table.by_offset.find(offset);
        const bool is_known = other != table.by_offset.end() && number >= 1 &&
                              number <= table.synsets[other->second].words.size();
        opposite = is_known ? table.synsets[other->second].words[number - 1] : "";
      }
      std::erase_if(synset.opposites, [](const auto& pair) { return pair.second.empty(); });
    }
    const std::string index = fmt::format("index.{}", kFileNames[p]);
    for (const std::string& line : read_lines(folder / index)) {
      if (line.starts_with("  ")) continue;
      IndexEntry entry = parse_index(line, index);
      if (entry.is_common) table.common.push_back(entry.word);
      table.first_meaning.emplace(std::move(entry.word), entry.first_offset);
    }
    std::sort(table.common.begin(), table.common.end());
  }
}

const std::vector<Synset>& WordNet::synsets(PartOfSpeech part) const {
  return table(part).synsets;
}

const Synset* WordNet::first_meaning(PartOfSpeech part, std::string_view word) const {
  std::string key(word);
  std::transform(key.begin(), key.end(), key.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found = table(part).first_meaning.find(key);
  return found == table(part).first_meaning.end() ? nullptr : at_offset(part, found->second);
}

const Synset* WordNet::at_offset(PartOfSpeech part, int64_t offset) const {
  const auto found = table(part).by_offset.find(offset);
  return found == table(part).by_offset.end() ? nullptr : &table(part).synsets[found->second];
}

const std::vector<std::string>& WordNet::common_words(PartOfSpeech part) const {
  return table(part).common;
}

std::vector<std::string> WordNet::single_words() const {
  std::vector<std::string> words;
  for (const Table& part : tables_) {
    for (const auto& [word, offset] : part.first_meaning) {
      if (word.find(' ') == std::string::npos) words.push_back(word);
    }
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

std::string sentence_of(const Synset& synset, const std::string& word) {
  std::string text;
  switch (synset.part) {
    case PartOfSpeech::noun: {
      const std::string subject = is_defined_as_one(synset.definition) ? with_article(word) : word;
      text = capitalised(subject) + (is_plural(word) ? " are " : " is ") + synset.definition + ".";
      break;
    }
    case PartOfSpeech::verb:
      text = "To " + word + " is to " + synset.definition + ".";
      break;
    case PartOfSpeech::adjective:
    case PartOfSpeech::adverb:
      text = capitalised(word) + " means " + synset.definition + ".";
      break;
  }
  for (const std::string& example : synset.examples)
    text += " " + as_example(example);
  return text;
}

}  // namespace vila::data::nano
