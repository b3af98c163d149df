// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "data/nano/generators.h"
#include "data/nano/package.h"
#include "data/nano/phrases.h"
#include "data/nano/text_facts.h"
#include "data/nano/wordnet.h"

namespace vila::data::nano {

namespace {

using Texts = std::vector<std::string>;

constexpr int64_t kValidationShare = 100;  // one row in so many
constexpr size_t kVersesARow = 4;

/// Files of fortunes that hold prose; the others are pictures of letters, jokes about groups of
/// people, source code or verse in other languages.
constexpr std::array<std::string_view, 22> kFortunes = {
    "art",           "computers", "cookie", "definitions", "education",  "food",
    "goedel",        "humorists", "kids",   "law",         "linux",      "medicine",
    "miscellaneous", "news",      "people", "pets",        "platitudes", "pratchett",
    "science",       "startrek",  "wisdom", "work"};
constexpr std::array<std::string_view, 22> kUnfit = {
    "sex",  "sexual", "naked", "drunk",   "drugs",  "kill",  "killed", "suicide",
    "nazi", "hitler", "damn",  "hell",    "bitch",  "ass",   "whore",  "rape",
    "fuck", "shit",   "god's", "breasts", "virgin", "murder"};

std::string wordnet_text(const WordNet& wordnet, const Synset& synset) {
  const std::string& word = synset.words.front();
  std::string text = sentence_of(synset, word);
  const Synset* kind =
      synset.kinds_of.empty() ? nullptr : wordnet.at_offset(synset.part, synset.kinds_of.front());
  if (kind && synset.part == PartOfSpeech::noun) {
    text += " " + capitalised(with_article(word)) +
            (is_plural(word) ? " are a kind of " : " is a kind of ") + kind->words.front() + ".";
  }
  if (synset.words.size() > 1) text += " Another word for " + word + " is " + synset.words[1] + ".";
  return text;
}

/// Meanings of words that WordNet's tagged texts use, and of all the others.
struct WordNetTexts {
  Texts common;
  Texts rare;
};

WordNetTexts wordnet_texts(const WordNet& wordnet) {
  WordNetTexts texts;
  for (const PartOfSpeech part :
       {PartOfSpeech::noun, PartOfSpeech::verb, PartOfSpeech::adjective, PartOfSpeech::adverb}) {
    const auto& common = wordnet.common_words(part);
    for (const Synset& synset : wordnet.synsets(part)) {
      if (synset.definition.empty()) continue;
      const bool is_common = std::binary_search(common.begin(), common.end(), synset.words.front());
      (is_common ? texts.common : texts.rare).push_back(wordnet_text(wordnet, synset));
    }
  }
  return texts;
}

/// The King James Bible: bible.data holds, behind a table of offsets, lines "Ge1:1 In the …" packed
/// by compress(1).
Texts bible_texts(const std::filesystem::path& file) {
  const std::string packed = read_file(file);
  const size_t magic = packed.find("\x1f\x9d\x90");
  if (magic == std::string::npos) {
    fail(ErrorCode::invalid_data, "{}: expected text packed by compress(1)", file.string());
  }
  const std::string verses = decompress(packed.substr(magic), file.string());
  Texts texts;
  std::string row;
  size_t in_row = 0;
  for (size_t begin = 0; begin < verses.size();) {
    const size_t end = std::min(verses.find('\n', begin), verses.size());
    const std::string line = verses.substr(begin, end - begin);
    begin = end + 1;
    const size_t space = line.find(' ');
    const bool is_verse = space != std::string::npos && line.find(':') < space;
    if (!is_verse) continue;
    row += (row.empty() ? "" : " ") + line.substr(space + 1);
    if (++in_row < kVersesARow) continue;
    texts.push_back(std::move(row));
    row.clear();
    in_row = 0;
  }
  return texts;
}

/// One fortune in one line, or "" when it is no plain prose.
std::string clean_fortune(const std::string& raw) {
  std::string text;
  int64_t letters = 0;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) return "";
    letters += std::isalpha(byte) != 0;
    if (byte > ' ') text += c;
    if (byte <= ' ' && !text.empty() && text.back() != ' ') text += ' ';
  }
  while (!text.empty() && text.back() == ' ')
    text.pop_back();
  const bool is_prose = text.size() >= 40 && text.size() <= 1200 &&
                        letters * 10 >= static_cast<int64_t>(text.size()) * 7;
  const bool is_fit = std::none_of(kUnfit.begin(), kUnfit.end(), [&](std::string_view word) {
    return contains_words(text, word);
  });
  return is_prose && is_fit ? text : "";
}

Texts fortune_texts(const BuildContext& context) {
  Texts texts;
  for (const std::string_view name : kFortunes) {
    const auto file = context.options().debian_root / "share/games/fortunes" / name;
    if (!std::filesystem::exists(file)) continue;
    const std::string content = "\n" + read_file(file) + "\n%\n";
    for (size_t begin = 0; begin < content.size();) {
      const size_t end = std::min(content.find("\n%\n", begin), content.size());
      std::string text = clean_fortune(content.substr(begin, end - begin));
      if (!text.empty()) texts.push_back(std::move(text));
      begin = end + 2;
    }
  }
  return texts;
}

/// Writes text/NAME.jsonl without repeats; every hundredth row goes to the validation rows instead.
class TextWriter {
 public:
  explicit TextWriter(BuildContext& context) : context_(context) {}

  void write(const std::string& name, const Texts& texts) {
    std::vector<std::string> lines;
    for (const std::string& text : texts) {
      if (text.empty() || !is_valid_utf8(text) || !seen_.insert(text).second) continue;
      const bool is_validation = context_.random("validation " + text).below(kValidationShare) == 0;
      (is_validation ? validation_ : lines).push_back(text_line(text));
      bytes_ += static_cast<int64_t>(text.size());
    }
    context_.write_lines("text/" + name + ".jsonl", lines);
    context_.say(fmt::format("text: {} rows of {}", lines.size(), name));
  }

  void finish() {
    context_.write_lines("text/validation.jsonl", validation_);
    context_.say(fmt::format("text: {} MB in all", bytes_ / 1'000'000));
  }

 private:
  BuildContext& context_;
  std::unordered_set<std::string> seen_;
  std::vector<std::string> validation_;
  int64_t bytes_ = 0;
};

}  // namespace

void build_text(BuildContext& context) {
  context.debian("share/wordnet/data.noun", "wordnet-base");
  const WordNet wordnet(context.options().debian_root / "share/wordnet");
  TextWriter writer(context);
  writer.write("concepts", concept_texts(context.concepts(), context.options().seed));
  writer.write("facts", fact_texts(context.concepts(), context.options().seed));
  writer.write("arithmetic", arithmetic_texts(context.options().seed));
  writer.write("induction",
               induction_texts(context.concepts(), wordnet.single_words(), context.options().seed));
  const WordNetTexts meanings = wordnet_texts(wordnet);
  writer.write("wordnet", meanings.common);
  writer.write("wordnet-rare", meanings.rare);
  writer.write("bible", bible_texts(context.debian("lib/bible.data", "bible-kjv-text")));
  context.debian("share/games/fortunes/wisdom", "fortunes");
  writer.write("fortunes", fortune_texts(context));
  writer.finish();
}

}  // namespace vila::data::nano
