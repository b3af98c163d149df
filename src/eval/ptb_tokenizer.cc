// SPDX-License-Identifier: Apache-2.0
#include "eval/ptb_tokenizer.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "eval/python_text.h"

namespace vila::eval {
namespace {

// What the COCO scorer drops after tokenisation; "-LRB-" and its like are in its list too, but have
// become lower case by then and stay.
constexpr std::array<std::string_view, 13> kDropped = {"''", "'", "``", "`",  ".",   "?", "!",
                                                       ",",  ":", "-",  "--", "...", ";"};

// Words whose period belongs to them, in whatever case; then those that must begin with a capital,
// then those before a number alone.
constexpr std::string_view kAbbreviations =
    " adm al ala apr ariz assn aug ave bldg blvd bros calif capt cf cmdr co col colo comdr conn "
    "corp "
    "cpl dec dept dr est etc ext feb fla fri ft ga gen gov hon inc ind insp jan jr jul jun kan ky "
    "lt "
    "ltd maj mar md messrs mich minn mlle mme mo mon mont mr mrs ms mt neb nev nov oct okla penn "
    "ph "
    "pres prof pvt rd rep rev sen sep sept sgt sq sr st supt tel tenn thu thurs tue tues univ va "
    "vs "
    "wed wis ";
constexpr std::string_view kCapitalAbbreviations = " ark del ill la mass miss ore pa tex wash ";
constexpr std::string_view kNumberAbbreviations = " ca fig figs no nos op pp ";

// Words that are two tokens: where the second one begins.
struct Assimilation {
  std::string_view word;
  size_t split;
};

constexpr std::array kAssimilations = {Assimilation{"cannot", 3}, Assimilation{"gonna", 3},
                                       Assimilation{"gotta", 3},  Assimilation{"wanna", 3},
                                       Assimilation{"lemme", 3},  Assimilation{"gimme", 3}};

constexpr std::array<std::string_view, 6> kClitics = {"s", "m", "d", "re", "ve", "ll"};

// Typographic marks as the tokenizer normalises them; "" where nothing is left to compare.
struct Replacement {
  std::string_view from;
  std::string_view to;
};

constexpr std::array kReplacements = {
    Replacement{"\u2018", "'"},   Replacement{"\u2019", "'"},    Replacement{"\u201C", "\""},
    Replacement{"\u201D", "\""},  Replacement{"\u2013", " -- "}, Replacement{"\u2014", " -- "},
    Replacement{"\u2026", "..."}, Replacement{"\u00A0", " "},    Replacement{"\u00BD", "1/2"},
    Replacement{"\u00BC", "1/4"}, Replacement{"\u00BE", "3/4"},  Replacement{"\u00A3", "#"},
    Replacement{"\u20AC", "$"},   Replacement{"&amp;", "&"},     Replacement{"``", "\""},
    Replacement{"''", "\""}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

bool is_vowel(char c) {
  return std::string_view("aeiouyAEIOUY").find(c) != std::string_view::npos;
}

bool is_listed(std::string_view list, std::string_view word) {
  return list.find(" " + std::string(word) + " ") != std::string_view::npos;
}

// One pass over a caption. A view of its text.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<std::string> tokens() {
    while (at_ < text_.size())
      next();
    return std::move(tokens_);
  }

 private:
  char at(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }

  // Latin-1 signs, the multiplication and division signs, and what lies in U+2000 to U+2FFF.
  bool is_symbol(size_t i) const {
    const auto first = static_cast<unsigned char>(at(i));
    const auto second = static_cast<unsigned char>(at(i + 1));
    if (first == 0xC2) return second != 0xAA && second != 0xB5 && second != 0xBA;
    if (first == 0xC3) return second == 0x97 || second == 0xB7;
    return first == 0xE2;
  }

  bool is_letter(size_t i) const {
    const auto c = static_cast<unsigned char>(at(i));
    if (c < 0x80) return is_ascii_letter(at(i));
    return (c & 0xC0) == 0x80 ? i > 0 && is_letter(i - 1) : !is_symbol(i);
  }

  bool is_alnum(size_t i) const { return is_letter(i) || is_digit(at(i)) || at(i) == '_'; }

  void emit(size_t end) {
    tokens_.emplace_back(text_.substr(at_, end - at_));
    at_ = end;
  }

  void next() {
    if (at(at_) == ' ') {
      ++at_;
    } else if (!lex_address() && !lex_apostrophe() && !lex_number() && !lex_word()) {
      lex_mark();
    }
  }

  // Web and e-mail addresses, "@name" and "#tag".
  bool lex_address() {
    const size_t blank = std::min(text_.find(' ', at_), text_.size());
    const std::string_view run = text_.substr(at_, blank - at_);
    const bool is_web = run.starts_with("http://") || run.starts_with("https://");
    const size_t sign = run.find('@');
    const bool is_mail =
        is_alnum(at_) && sign != std::string_view::npos && is_alnum(at_ + sign + 1);
    const bool is_tag = (run.starts_with('@') || run.starts_with('#')) && is_letter(at_ + 1);
    if (!is_web && !is_mail && !is_tag) return false;
    size_t end = at_ + run.find_last_not_of(".,;:!?)'\"") + 1;
    if (is_tag) {
      for (end = at_ + 1; is_alnum(end);)
        ++end;
    }
    emit(end);
    return true;
  }

  // Where the clitic that begins with the apostrophe at `i` ends, 0 for none.
  size_t clitic_end(size_t i) const {
    for (const std::string_view clitic : kClitics) {
      const std::string lower = python_lower(text_.substr(i + 1, clitic.size()));
      if (lower == clitic && !is_alnum(i + 1 + clitic.size())) return i + 1 + clitic.size();
    }
    return 0;
  }

  bool lex_apostrophe() {
    if (at(at_) != '\'') return false;
    const std::string lower = python_lower(text_.substr(at_, 4));
    if (lower.starts_with("'n'") && !is_alnum(at_ + 3)) {
      emit(at_ + 3);
    } else if (is_digit(at(at_ + 1)) && at(at_ + 2) == '0' && at(at_ + 3) == 's') {
      emit(at_ + 4);
    } else if (lower == "'tis" || lower == "'twa") {
      emit(at_ + 2);
    } else if (lower.starts_with("'em") && !is_alnum(at_ + 3)) {
      emit(at_ + 3);
    } else if (const size_t end = clitic_end(at_); end > 0) {
      emit(end);
    } else {
      ++at_;  // a quotation mark
    }
    return true;
  }

  // Digits with one '.', ',', ':' or '/' between two of them, and the words that such begin ("1st",
  // "3-year-old"); a sign in front is part of it.
  bool lex_number() {
    size_t end = at_;
    if ((at(end) == '-' || at(end) == '+') && is_digit(at(end + 1))) ++end;
    if (at(end) == '.' && is_digit(at(end + 1))) ++end;
    if (!is_digit(at(end))) return false;
    bool is_plain = true;
    while (is_digit(at(end)) || (is_joint(at(end)) && is_digit(at(end + 1)))) {
      is_plain = is_plain && at(end) != ':' && at(end) != ',' && at(end) != '.';
      ++end;
    }
    if (is_plain && (is_letter(end) || (at(end) == '-' && is_alnum(end + 1)))) return lex_word();
    emit(end);
    return true;
  }

  static bool is_joint(char c) { return c == '.' || c == ',' || c == ':' || c == '/' || c == '-'; }

  // Whether the mark at `i` joins what is before and after it to one word.
  bool joins(size_t i, size_t begin) const {
    const char c = at(i);
    const char before = at(i - 1);
    if (c == '-' || c == '/' || c == '.') return is_alnum(i + 1);
    if (c == '&') return is_upper(before) && is_upper(at(i + 1));
    if (c != '\'' || !is_letter(i + 1) || clitic_end(i) > 0 || is_negation(i)) return false;
    const bool has_elision =
        i == begin + 1 && std::string_view("dDoOlL").find(before) != std::string_view::npos;
    return has_elision || (is_vowel(before) && i > begin + 1 && is_vowel(at(i + 1))) ||
           (is_vowel(before) && before != 'y' && is_vowel(at(i + 1)));
  }

  // "n't": `i` is at the apostrophe.
  bool is_negation(size_t i) const {
    return (at(i) == '\'') && (at(i + 1) == 't' || at(i + 1) == 'T') && !is_alnum(i + 2) && i > 0 &&
           (at(i - 1) == 'n' || at(i - 1) == 'N');
  }

  bool lex_word() {
    if (!is_alnum(at_)) return false;
    const size_t begin = at_;
    size_t end = at_;
    while (is_alnum(end) || (end < text_.size() && end > begin && joins(end, begin)))
      ++end;
    if (is_negation(end) && end - begin > 1) {
      emit(end - 1);
      emit(end + 2);
      return true;
    }
    if (at(end) == '\'' && end == begin + 1 && at(begin) == 'y' && is_letter(end + 1)) ++end;
    if (python_lower(text_.substr(begin, end + 1 - begin)) == "ol'") ++end;
    if (at(end) == '.' && keeps_period(begin, end)) ++end;
    if (end - begin == 1 && text_.substr(end, 2) == "++") end += 2;
    emit_word(end);
    lex_clitics();
    return true;
  }

  // A word, or the two tokens that some words are.
  void emit_word(size_t end) {
    const std::string lower = python_lower(text_.substr(at_, end - at_));
    for (const Assimilation& pair : kAssimilations) {
      if (pair.word == lower) emit(at_ + pair.split);
    }
    emit(end);
  }

  void lex_clitics() {
    while (at(at_) == '\'') {
      const std::string lower = python_lower(text_.substr(at_, 3));
      size_t end = clitic_end(at_);
      if (end == 0 && lower.starts_with("'n'")) end = at_ + 3;
      if (end == 0 && lower.starts_with("'n") && !is_alnum(at_ + 2)) end = at_ + 2;
      if (end == 0) return;
      emit(end);
    }
  }

  // Whether the period at `end` belongs to the word: initials and acronyms, known abbreviations.
  bool keeps_period(size_t begin, size_t end) const {
    const std::string_view word = text_.substr(begin, end - begin);
    const bool is_initial = word.size() == 1 && is_ascii_letter(word[0]) && at(end + 1) != '.';
    const bool is_acronym = word.size() >= 3 && word[word.size() - 2] == '.' && word[1] == '.';
    if (is_initial || is_acronym || word == "Ph.D") return true;
    const std::string lower = python_lower(word);
    if (is_listed(kAbbreviations, lower)) return true;
    if (is_listed(kCapitalAbbreviations, lower)) return is_upper(word[0]);
    const size_t next = std::min(text_.find_first_not_of(' ', end + 1), text_.size());
    return is_listed(kNumberAbbreviations, lower) && is_digit(at(next));
  }

  void lex_mark() {
    constexpr std::array kBrackets = {Replacement{"(", "-lrb-"}, Replacement{")", "-rrb-"},
                                      Replacement{"[", "-lsb-"}, Replacement{"]", "-rsb-"},
                                      Replacement{"{", "-lcb-"}, Replacement{"}", "-rcb-"}};
    const std::string_view mark = text_.substr(at_, 1);
    for (const Replacement& bracket : kBrackets) {
      if (mark != bracket.from) continue;
      tokens_.emplace_back(bracket.to);
      ++at_;
      return;
    }
    if (text_.substr(at_, 2) == ":)") {
      tokens_.emplace_back(":-rrb-");
      at_ += 2;
    } else if (const size_t end = tag_end(); end > 0) {
      emit(end);
    } else {
      emit(run_end());
    }
  }

  // "<b>" is one token, 0 for none.
  size_t tag_end() const {
    if (at(at_) != '<' || !(is_ascii_letter(at(at_ + 1)) || at(at_ + 1) == '/')) return 0;
    const size_t close = text_.find('>', at_);
    return close == std::string_view::npos ? 0 : close + 1;
  }

  // Question and exclamation marks, hyphens and periods run together; other marks stand alone.
  size_t run_end() const {
    const auto is_run = [&](std::string_view set) {
      return set.find(at(at_)) != std::string_view::npos;
    };
    for (const std::string_view set :
         {std::string_view("!?"), std::string_view("-"), std::string_view(".")}) {
      if (is_run(set)) return std::min(text_.find_first_not_of(set, at_), text_.size());
    }
    size_t end = at_ + 1;
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80)
      ++end;
    return end;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<std::string> tokens_;
};

// Runs of hyphens and periods are "--" and "..." to the tokenizer, whatever their length.
bool is_dropped(std::string_view token) {
  if (token.find_first_not_of('-') == std::string_view::npos) return true;
  if (token.find_first_not_of('.') == std::string_view::npos) return true;
  return token == "\"" || std::find(kDropped.begin(), kDropped.end(), token) != kDropped.end();
}

}  // namespace

std::vector<std::string> ptb_tokens(std::string_view caption) {
  std::string text(caption);
  for (const Replacement& pair : kReplacements)
    text = replace_all(text, pair.from, pair.to);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t' || c == '\r'; }, ' ');
  std::vector<std::string> kept;
  for (const std::string& token : Lexer(text).tokens()) {
    if (!is_dropped(token)) kept.push_back(python_lower(token));
  }
  return kept;
}

}  // namespace vila::eval
