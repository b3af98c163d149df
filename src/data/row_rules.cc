// SPDX-License-Identifier: Apache-2.0
#include "data/row_rules.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"
#include "spec/prompt.h"

namespace vila::data {
namespace {

/// Whether anything is left of a text beside blanks and placeholders.
bool is_empty(std::string_view text) {
  constexpr std::string_view kPlaceholder = spec::kImagePlaceholder;
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with(kPlaceholder)) {
      at += kPlaceholder.size();
    } else if (std::string_view(" \t\n\v\f\r").find(text[at]) != std::string_view::npos) {
      ++at;
    } else {
      return false;
    }
  }
  return true;
}

void check_order(const Sample& sample, const Report& report) {
  for (size_t i = 0; i < sample.turns.size(); ++i) {
    const char* expected = i % 2 == 0 ? "user" : "assistant";
    if (sample.turns[i].role != expected) {
      report(Rule::role_order,
             fmt::format("turn {}: expected {}, found {}", i, expected, sample.turns[i].role));
      return;
    }
  }
}

void check_turns(const Sample& sample, const Report& report) {
  if (sample.turns.size() < 2) {
    report(Rule::empty_turn, "expected a question and an answer, found " +
                                 std::string(sample.turns.empty() ? "no turns" : "one turn"));
  } else if (sample.turns.back().role == "user") {
    report(Rule::role_order,
           fmt::format("turn {}: the last question has no answer", sample.turns.size() - 1));
  }
  check_order(sample, report);
  for (size_t i = 0; i < sample.turns.size(); ++i) {
    if (is_empty(sample.turns[i].content)) {
      report(Rule::empty_turn, fmt::format("turn {} ({}) says nothing", i, sample.turns[i].role));
    }
  }
}

const char* text_name(Kind kind) {
  if (kind == Kind::pairs) return "caption";
  return kind == Kind::documents ? "document" : "text";
}

}  // namespace

void check_sample(const Sample& sample, const Report& report) {
  const int64_t placeholders = count_placeholders(sample);
  const auto images = static_cast<int64_t>(sample.images.size());
  if (placeholders != images) {
    report(Rule::placeholders,
           fmt::format("expected as many \"<image>\" as pictures, found {} and {}", placeholders,
                       images));
  }
  if (sample.kind == Kind::conversations) {
    check_turns(sample, report);
  } else if (is_empty(sample.text)) {
    report(Rule::empty_text, fmt::format("the {} says nothing", text_name(sample.kind)));
  }
}

std::string text_of(const Sample& sample) {
  if (sample.kind != Kind::conversations) return sample.text;
  std::string text;
  for (const text::Message& turn : sample.turns) {
    text += turn.role + ": " + turn.content + "\n";
  }
  return text;
}

std::string shorten(std::string_view text) {
  constexpr size_t kLimit = 60;
  std::string line(text.substr(0, std::min(text.size(), kLimit)));
  line.resize(complete_utf8_prefix(line));
  std::ranges::replace(line, '\n', ' ');
  return line.size() < text.size() ? line + "…" : line;
}

}  // namespace vila::data
