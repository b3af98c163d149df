// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vila::data::nano {

/// The four kinds of words that WordNet has files of.
enum class PartOfSpeech { noun, verb, adjective, adverb };

/// One meaning of WordNet and the words that have it. A value.
struct Synset {
  PartOfSpeech part = PartOfSpeech::noun;
  std::vector<std::string> words;     ///< "domestic dog"; spaces, no underscores
  std::string definition;             ///< without the examples
  std::vector<std::string> examples;  ///< quoted uses
  std::vector<int64_t> kinds_of;      ///< offsets of the more general meanings
  std::vector<std::pair<std::string, std::string>> opposites;  ///< word of this one, its antonym
};

/// The WordNet 3 database as Debian's wordnet-base holds it (data.noun, index.noun, …; formats in
/// wndb(5WN)). Immutable.
class WordNet {
 public:
  /// @param folder  where data.noun lies. @throws Error{not_found | invalid_data}
  explicit WordNet(const std::filesystem::path& folder);

  /// All meanings of one part of speech, in the database's order.
  const std::vector<Synset>& synsets(PartOfSpeech part) const;
  /// The most frequent meaning of a word, or null.
  const Synset* first_meaning(PartOfSpeech part, std::string_view word) const;
  /// The meaning at a file offset (Synset::kinds_of), or null.
  const Synset* at_offset(PartOfSpeech part, int64_t offset) const;
  /// Words of one part of speech seen in WordNet's tagged texts: the common ones, sorted.
  const std::vector<std::string>& common_words(PartOfSpeech part) const;
  /// Every word of the database without a space, sorted.
  std::vector<std::string> single_words() const;

 private:
  struct Table {
    std::vector<Synset> synsets;
    std::unordered_map<int64_t, size_t> by_offset;
    std::unordered_map<std::string, int64_t> first_meaning;
    std::vector<std::string> common;
  };

  const Table& table(PartOfSpeech part) const { return tables_[static_cast<size_t>(part)]; }

  std::vector<Table> tables_;
};

/// Reads one line of a data.* file. @throws Error{invalid_data}
Synset parse_synset(std::string_view line, PartOfSpeech part, std::string_view source);

/// "A dog is a member of …." from a meaning and one of its words, with its examples.
std::string sentence_of(const Synset& synset, const std::string& word);

}  // namespace vila::data::nano
