// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "text/chat_template_table.h"

namespace vila::text {
namespace {

using Style = ChatTemplate::Style;

/// A turn of either side; an empty text is an answer that is still to come, of style jinja only
/// where it is marked so.
struct Turn {
  bool is_user = true;
  std::string_view text;
  bool is_open = false;
};

std::string_view role_of(const ChatTemplate& row, const Turn& turn) {
  return turn.is_user ? row.user : row.assistant;
}

[[noreturn]] void fail_row(const ChatTemplate& row, std::string_view expected) {
  fail(ErrorCode::invalid_argument, "template {}: expected {}; use another template", row.name,
       expected);
}

/// "Human: question###Assistant: answer###", and with two separators one for each side.
std::string render_words(const ChatTemplate& row, std::string_view system,
                         std::span<const Turn> turns) {
  const char* answer_end = row.style == Style::two ? row.separator2 : row.separator;
  std::string text = fmt::format("{}{}", system, row.separator);
  for (const Turn& turn : turns) {
    text += role_of(row, turn);
    text += ':';
    if (!turn.text.empty()) {
      text += fmt::format(" {}{}", turn.text, turn.is_user ? row.separator : answer_end);
    }
  }
  return text;
}

std::string render_mpt(const ChatTemplate& row, std::string_view system,
                       std::span<const Turn> turns) {
  std::string text = fmt::format("{}{}", system, row.separator);
  for (const Turn& turn : turns) {
    text += role_of(row, turn);
    if (!turn.text.empty()) text += fmt::format("{}{}", turn.text, row.separator);
  }
  return text;
}

std::string render_llama_3(const ChatTemplate& row, std::string_view system,
                           std::span<const Turn> turns) {
  std::string text = fmt::format("{}{}", system, row.separator);
  for (size_t i = 0; i < turns.size(); ++i) {
    text += role_of(row, turns[i]);
    const char* end = i + 1 == turns.size() ? row.separator2 : row.separator;
    if (!turns[i].text.empty()) text += fmt::format("{}{}", turns[i].text, end);
  }
  return text;
}

/// @param system  the whole system turn, empty for none.
std::string render_jinja(const ChatTemplate& row, std::string_view system,
                         std::span<const Turn> turns) {
  const TemplateMarks& marks = row.marks;
  std::string text = fmt::format("{}{}", marks.begin, system);
  for (const Turn& turn : turns) {
    if (turn.is_open) {
      text += marks.open;
      continue;
    }
    text += role_of(row, turn);
    text += marks.trims ? strip(turn.text) : turn.text;
    text += turn.is_user ? marks.user_end : marks.assistant_end;
  }
  return text;
}

std::string render_plain(const ChatTemplate& row, std::string_view system,
                         std::span<const Turn> turns) {
  std::string text(system);
  for (const Turn& turn : turns) {
    if (turn.text.empty()) continue;
    if (!turn.is_user) fail_row(row, "one user turn and no answer");
    text += fmt::format("{}{}", turn.text, row.separator);
  }
  return text;
}

std::string render_llama_2(const ChatTemplate& row, std::string_view system,
                           std::span<const Turn> turns) {
  if (!turns.empty() && turns[0].text.empty()) fail_row(row, "a first message that is not empty");
  std::string text;
  for (size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].text.empty()) continue;
    if (!turns[i].is_user) {
      text += fmt::format(" {} {}", turns[i].text, row.separator2);
      continue;
    }
    // The tokenizer puts the first BOS.
    if (i > 0) text += row.separator;
    const std::string header =
        i == 0 ? fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n", system) : std::string();
    text += fmt::format("[INST] {}{} [/INST]", header, turns[i].text);
  }
  return text;
}

std::string render_mistral(const ChatTemplate& row, std::string_view system,
                           std::span<const Turn> turns) {
  if (!turns.empty() && turns[0].text.empty()) fail_row(row, "a first message that is not empty");
  std::string text = "<s>";
  for (size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].text.empty()) continue;
    if (!turns[i].is_user) {
      text += fmt::format("{}{}", turns[i].text, row.separator2);
      continue;
    }
    const std::string header =
        i == 0 && !system.empty() ? fmt::format("{}\n", system) : std::string();
    text += fmt::format("[INST] {}{} [/INST]", header, turns[i].text);
  }
  return text;
}

std::string render_turns(const ChatTemplate& row, std::string_view system,
                         std::span<const Turn> turns) {
  switch (row.style) {
    case Style::single:
    case Style::two:
      return render_words(row, system, turns);
    case Style::mpt:
      return render_mpt(row, system, turns);
    case Style::plain:
      return render_plain(row, system, turns);
    case Style::llama_2:
      return render_llama_2(row, system, turns);
    case Style::mistral:
      return render_mistral(row, system, turns);
    case Style::llama_3:
      return render_llama_3(row, system, turns);
    case Style::jinja:
      return render_jinja(row, system, turns);
  }
  VILA_CHECK(false, "template {} has no style", row.name);
  return {};
}

std::vector<Turn> to_turns(const ChatTemplate& row, std::span<const Message> messages) {
  std::vector<Turn> turns;
  if (row.example_question != nullptr) {
    turns = {{true, row.example_question}, {false, row.example_answer}};
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const char* expected = i % 2 == 0 ? "user" : "assistant";
    if (messages[i].role != expected) {
      fail(ErrorCode::invalid_argument,
           "message {}: expected role \"{}\" (turns alternate and begin with the user), found "
           "\"{}\"",
           i + 1, expected, messages[i].role);
    }
    turns.push_back({i % 2 == 0, messages[i].content});
  }
  return turns;
}

/// The system turn of style jinja: the row's text where the caller gives none.
std::string jinja_system(const ChatTemplate& row, const std::optional<std::string>& system) {
  const std::string text = system.value_or(row.system);
  if (text.empty() && !system) return {};
  return fmt::format("{}{}{}", row.marks.system_begin, text, row.marks.system_end);
}

/// The reference takes `separator` for all styles but `two`. For mistral that is the empty string,
/// which stops at once; the end of an answer is meant.
std::string stop_string(const ChatTemplate& row) {
  const bool ends_by_second = row.style == Style::two || row.style == Style::mistral;
  return ends_by_second ? row.separator2 : row.separator;
}

std::string without_pictures(std::string_view text) {
  constexpr std::string_view kPicture = "<image>";
  std::string rest(text);
  for (size_t at; (at = rest.find(kPicture)) != std::string::npos;)
    rest.erase(at, kPicture.size());
  return std::string(strip(rest));
}

}  // namespace

const ChatTemplate& find_chat_template(std::string_view name) {
  for (const ChatTemplate& row : chat_template_table()) {
    if (name == row.name || (row.alias != nullptr && name == row.alias)) return row;
  }
  fail(ErrorCode::invalid_argument, "template: expected one of {}, found \"{}\"",
       fmt::join(chat_template_names(), ", "), name);
}

const ChatTemplate& recognise_chat_template(std::string_view jinja) {
  if (const char* name = jinja_template_name(jinja)) return find_chat_template(name);
  fail(ErrorCode::invalid_model,
       "chat_template: expected one of a known form, found \"{}…\"; name the template with "
       "--chat-template, one of {}",
       jinja.substr(0, 80), fmt::join(chat_template_names(), ", "));
}

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names;
  for (const ChatTemplate& row : chat_template_table()) {
    names.emplace_back(row.name);
    if (row.alias != nullptr) names.emplace_back(row.alias);
  }
  return names;
}

RenderedPrompt render_chat(const ChatTemplate& chat_template, std::span<const Message> messages,
                           const std::optional<std::string>& system, bool add_generation_prompt) {
  std::vector<Turn> turns = to_turns(chat_template, messages);
  const bool is_answered = messages.size() % 2 == 0;
  const bool is_jinja = chat_template.style == Style::jinja;
  const bool is_opened =
      chat_template.marks.opens_always || (add_generation_prompt && (is_jinja || !is_answered));
  if (is_opened) turns.push_back({false, {}, true});
  const std::string_view used_system = system ? std::string_view(*system) : chat_template.system;
  if (is_jinja) {
    const std::string header = jinja_system(chat_template, system);
    return {render_turns(chat_template, header, turns), {stop_string(chat_template)}};
  }
  return {render_turns(chat_template, used_system, turns), {stop_string(chat_template)}};
}

std::vector<Message> put_picture_first(const ChatTemplate& chat_template,
                                       std::span<const Message> messages) {
  std::vector<Message> result(messages.begin(), messages.end());
  const bool is_first_an_example = chat_template.example_question != nullptr;
  if (result.empty() || is_first_an_example) return result;
  const std::string rest = without_pictures(result[0].content);
  if (!chat_template.tags_picture) {
    result[0].content = "<image>\n" + rest;
    return result;
  }
  result[0].content = rest;
  const Message shown{"user", "<Image><image></Image>"};
  const Message received{"assistant", "Received."};
  result.insert(result.begin(), {shown, received});
  return result;
}

}  // namespace vila::text
