// SPDX-License-Identifier: Apache-2.0
#include "eval/rules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

#include <fmt/ranges.h>

#include "base/error.h"
#include "eval/metrics.h"
#include "eval/mmmu.h"
#include "eval/normalise.h"
#include "eval/python_text.h"
#include "eval/tasks/common.h"

namespace vila::eval {
namespace {

struct Name {
  std::string_view name;
  Rule rule;
};

constexpr std::array kNames = {Name{"exact_match", Rule::exact},
                               Name{"choice", Rule::choice},
                               Name{"guess", Rule::guess},
                               Name{"letter", Rule::letter},
                               Name{"contains", Rule::contains},
                               Name{"relaxed_accuracy", Rule::relaxed},
                               Name{"anls", Rule::anls},
                               Name{"vqa_accuracy", Rule::vqa},
                               Name{"number", Rule::number},
                               Name{"mmmu", Rule::mmmu},
                               Name{"mathvista", Rule::mathvista},
                               Name{"caption", Rule::caption},
                               Name{"perplexity", Rule::perplexity}};

std::string letter_text(char letter) {
  return letter == '\0' ? "" : std::string(1, letter);
}

bool is_equal(std::string_view a, std::string_view b) {
  return python_lower(python_strip(a)) == python_lower(python_strip(b));
}

// Whether any gold passes.
template <typename Test>
double any_gold(const RuleInput& input, const Test& test) {
  return std::any_of(input.golds.begin(), input.golds.end(), test) ? 1 : 0;
}

Verdict verdict(std::string parsed, double score) {
  const Outcome outcome = parsed.empty() ? Outcome::unparsed : outcome_of(score);
  return {.parsed = std::move(parsed), .score = score, .outcome = outcome};
}

Verdict judge_letter(char letter, const RuleInput& input) {
  const std::string parsed = letter_text(letter);
  const double score = any_gold(input, [&](const std::string& gold) { return parsed == gold; });
  return verdict(parsed, score);
}

bool starts_with_letter(std::string_view text) {
  return !text.empty() &&
         ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
}

// The first letter of an answer where that is an option's: " B", "B.", "(B)".
char first_letter(std::string_view answer, const Choices& choices) {
  std::string_view text = python_strip(answer);
  if (text.starts_with('(')) text.remove_prefix(1);
  if (text.empty() || starts_with_letter(text.substr(1))) return '\0';
  for (const auto& [letter, option] : choices) {
    if (text[0] == letter) return letter;
  }
  return '\0';
}

Verdict judge_vqa(std::string_view answer, const RuleInput& input) {
  std::vector<std::string> humans(input.golds.begin(), input.golds.end());
  std::string prediction(answer);
  normalise_pair(humans, prediction, VqaVersion::of_2021);
  const double score = soft_accuracy(humans, prediction);
  return {.parsed = prediction, .score = score, .outcome = outcome_of(score)};
}

bool is_number_part(char c) {
  return (c >= '0' && c <= '9') || c == ',' || c == '.' || c == '-' || c == '$';
}

// A run of digits as a number is compared: without commas, dollar signs and a period behind.
std::string bare_number(std::string_view text) {
  std::string number(text);
  std::erase_if(number, [](char c) { return c == ',' || c == '$'; });
  while (number.ends_with('.'))
    number.pop_back();
  return number;
}

bool has_digit(std::string_view text) {
  return text.find_first_of("0123456789") != std::string_view::npos;
}

// The run of a number that ends last in the text, "" for none.
std::string last_number(std::string_view text) {
  for (size_t end = text.size(); end > 0; --end) {
    if (!is_number_part(text[end - 1])) continue;
    size_t begin = end;
    while (begin > 0 && is_number_part(text[begin - 1]))
      --begin;
    // A minus sign inside a run ("3-4") begins another number.
    const size_t sign = text.substr(begin, end - begin).rfind('-');
    const size_t first = sign == std::string_view::npos ? begin : begin + sign;
    if (has_digit(text.substr(first, end - first))) {
      return bare_number(text.substr(first, end - first));
    }
    end = begin + 1;
  }
  return "";
}

// The number after "####", else the last one.
std::string final_number(std::string_view text) {
  constexpr std::string_view kMark = "####";
  const size_t mark = text.find(kMark);
  if (mark == std::string_view::npos) return last_number(text);
  const std::string_view after = python_strip(text.substr(mark + kMark.size()));
  const auto end = std::find_if_not(after.begin(), after.end(), is_number_part);
  return bare_number(after.substr(0, static_cast<size_t>(end - after.begin())));
}

bool are_same_number(const std::string& a, const std::string& b) {
  if (a == b) return true;
  char* end_a = nullptr;
  char* end_b = nullptr;
  const double x = std::strtod(a.c_str(), &end_a);
  const double y = std::strtod(b.c_str(), &end_b);
  return *end_a == '\0' && *end_b == '\0' && !a.empty() && !b.empty() && x == y;
}

Verdict judge_number(std::string_view answer, const RuleInput& input) {
  const std::string parsed = final_number(answer);
  const double score = any_gold(
      input, [&](const std::string& gold) { return are_same_number(parsed, final_number(gold)); });
  return verdict(parsed, score);
}

// What MathVista's quick extraction takes: the text in quotes after "The answer is", else all.
std::string_view quick_extract(std::string_view answer) {
  constexpr std::string_view kPhrase = "The answer is \"";
  const size_t at = answer.find(kPhrase);
  if (at == std::string_view::npos) return python_strip(answer);
  const std::string_view rest = answer.substr(at + kPhrase.size());
  const size_t close = rest.find('"');
  return close == std::string_view::npos ? python_strip(answer) : rest.substr(0, close);
}

// Of a choice: the option with the letter, else the one with the least edit distance.
std::string nearest_option(std::string_view answer, const Choices& choices) {
  for (const auto& [letter, text] : choices) {
    const std::string name(1, letter);
    if (answer == name || answer.starts_with("(" + name + ")")) return text;
  }
  const auto best =
      std::min_element(choices.begin(), choices.end(), [&](const auto& a, const auto& b) {
        return edit_distance(answer, a.second) < edit_distance(answer, b.second);
      });
  return best->second;
}

// A number as the type of the answer writes it, "" where the text is none.
std::string normalised_number(std::string_view text, const RuleInput& input) {
  const std::string number = bare_number(python_strip(text));
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0') return "";
  if (input.answer_type == "integer") return fixed(std::trunc(value), 0);
  return fixed(value, static_cast<int>(input.precision));
}

Verdict judge_mathvista(std::string_view answer, const RuleInput& input) {
  const std::string extracted(quick_extract(answer));
  const bool is_number = input.answer_type == "integer" || input.answer_type == "float";
  std::string parsed = extracted;
  if (!input.choices.empty()) {
    parsed = extracted.empty() ? "" : nearest_option(extracted, input.choices);
  } else if (is_number) {
    parsed = normalised_number(extracted, input);
    if (parsed.empty()) parsed = normalised_number(last_number(extracted), input);
  }
  const double score = any_gold(input, [&](const std::string& gold) {
    const std::string wanted =
        is_number && input.choices.empty() ? normalised_number(gold, input) : std::string(gold);
    return is_equal(parsed, wanted);
  });
  return verdict(parsed, parsed.empty() ? 0 : score);
}

Verdict judge_mmmu(std::string_view answer, const RuleInput& input) {
  if (!input.choices.empty()) return judge_letter(mmmu_choice(answer, input.choices), input);
  return verdict(std::string(python_strip(answer)), is_mmmu_match(answer, input.golds) ? 1 : 0);
}

}  // namespace

Verdict judge(Rule rule, std::string_view answer, const RuleInput& input) {
  VILA_CHECK(!input.golds.empty());
  std::string stripped(python_strip(answer));
  const auto by_gold = [&](auto test) { return verdict(stripped, any_gold(input, test)); };
  switch (rule) {
    case Rule::choice:
      return judge_letter(infer_choice(answer, input.choices), input);
    case Rule::letter:
      return judge_letter(first_letter(answer, input.choices), input);
    case Rule::vqa:
      return judge_vqa(answer, input);
    case Rule::number:
      return judge_number(answer, input);
    case Rule::mmmu:
      return judge_mmmu(answer, input);
    case Rule::mathvista:
      return judge_mathvista(answer, input);
    case Rule::anls:
      return verdict(stripped, anls(stripped, input.golds));
    case Rule::relaxed:
      return by_gold([&](const std::string& gold) { return is_relaxed_match(stripped, gold); });
    case Rule::contains:
      return by_gold([&](const std::string& gold) {
        return python_lower(stripped).find(python_lower(python_strip(gold))) != std::string::npos;
      });
    case Rule::guess:
      return judge(input.choices.empty() ? Rule::exact : Rule::choice, answer, input);
    case Rule::exact:
      return by_gold([&](const std::string& gold) { return is_equal(stripped, gold); });
    case Rule::caption:
    case Rule::perplexity:
      break;
  }
  VILA_CHECK(false, "a rule over the whole set");
  return {};
}

Rule find_rule(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Name& row : kNames) {
    if (row.name == name) return row.rule;
    names.push_back(row.name);
  }
  fail(ErrorCode::invalid_argument, "expected one of {}, found \"{}\"", fmt::join(names, ", "),
       name);
}

std::string_view rule_name(Rule rule) {
  const auto found = std::find_if(kNames.begin(), kNames.end(),
                                  [rule](const Name& row) { return row.rule == rule; });
  return found->name;
}

}  // namespace vila::eval
