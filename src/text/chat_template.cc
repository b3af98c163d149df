// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"

namespace vila::text {
namespace {

constexpr const char* kUserSystem =
    "A chat between a curious user and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the user's questions.";
constexpr const char* kHumanSystem =
    "A chat between a curious human and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the human's questions.";
constexpr const char* kTagSystem =
    "A chat between a curious user and an artificial intelligence assistant. The "
    "assistant is able to understand the visual content that the user provides, and "
    "assist the user with a variety of tasks using natural language.The visual "
    "content will be provided with the following format: <Image>visual "
    "content</Image>.";
constexpr const char* kSafetySystem =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully "
    "as possible, while being safe.  Your answers should not include any harmful, "
    "unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure "
    "that your responses are socially unbiased and positive in nature.\n"
    "\n"
    "If a question does not make any sense, or is not factually coherent, explain "
    "why instead of answering something not correct. If you don't know the answer to "
    "a question, please don't share false information.";
constexpr const char* kVisionSystem =
    "You are a helpful language and vision assistant. You are able to understand the "
    "visual content that the user provides, and assist the user with a variety of "
    "tasks using natural language.";
constexpr const char* kMptSystem =
    "<|im_start|>system\n"
    "A conversation between a user and an LLM-based AI assistant. The assistant "
    "gives helpful and honest answers.";

constexpr const char* kExampleQuestion =
    "What are the key differences between renewable and non-renewable energy sources?";
constexpr const char* kExampleAnswer =
    "Renewable energy sources are those that can be replenished naturally in a "
    "relatively short amount of time, such as solar, wind, hydro, geothermal, and "
    "biomass. Non-renewable energy sources, on the other hand, are finite and will "
    "eventually be depleted, such as coal, oil, and natural gas. Here are some key "
    "differences between renewable and non-renewable energy sources:\n"
    "1. Availability: Renewable energy sources are virtually inexhaustible, while "
    "non-renewable energy sources are finite and will eventually run out.\n"
    "2. Environmental impact: Renewable energy sources have a much lower "
    "environmental impact than non-renewable sources, which can lead to air and "
    "water pollution, greenhouse gas emissions, and other negative effects.\n"
    "3. Cost: Renewable energy sources can be more expensive to initially set up, "
    "but they typically have lower operational costs than non-renewable sources.\n"
    "4. Reliability: Renewable energy sources are often more reliable and can be "
    "used in more remote locations than non-renewable sources.\n"
    "5. Flexibility: Renewable energy sources are often more flexible and can be "
    "adapted to different situations and needs, while non-renewable sources are more "
    "rigid and inflexible.\n"
    "6. Sustainability: Renewable energy sources are more sustainable over the long "
    "term, while non-renewable sources are not, and their depletion can lead to "
    "economic and social instability.\n";

using Style = ChatTemplate::Style;

constexpr ChatTemplate kTemplates[] = {
    {.name = "vicuna_v1",
     .alias = "v1",
     .system = kUserSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>"},
    {.name = "vicuna_v1_nosys",
     .system = "",
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>"},
    {.name = "llava_v1",
     .system = kHumanSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>"},
    {.name = "v1_mmtag",
     .system = kTagSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::two,
     .separator = " ",
     .separator2 = "</s>",
     .tags_picture = true},
    {.name = "default",
     .alias = "v0",
     .system = kHumanSystem,
     .user = "Human",
     .assistant = "Assistant",
     .style = Style::single,
     .separator = "###",
     .example_question = kExampleQuestion,
     .example_answer = kExampleAnswer},
    {.name = "llava_v0",
     .system = kHumanSystem,
     .user = "Human",
     .assistant = "Assistant",
     .style = Style::single,
     .separator = "###"},
    {.name = "v0_mmtag",
     .system = kTagSystem,
     .user = "Human",
     .assistant = "Assistant",
     .style = Style::single,
     .separator = "###",
     .tags_picture = true},
    {.name = "plain",
     .alias = "v0_plain",
     .system = "",
     .user = "",
     .assistant = "",
     .style = Style::plain,
     .separator = "\n"},
    {.name = "llama_2",
     .system = kSafetySystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::llama_2,
     .separator = "<s>",
     .separator2 = "</s>"},
    {.name = "llava_llama_2",
     .system = kVisionSystem,
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::llama_2,
     .separator = "<s>",
     .separator2 = "</s>"},
    {.name = "mistral",
     .system = "",
     .user = "USER",
     .assistant = "ASSISTANT",
     .style = Style::mistral,
     .separator = "",
     .separator2 = "</s>"},
    {.name = "mpt",
     .system = kMptSystem,
     .user = "<|im_start|>user\n",
     .assistant = "<|im_start|>assistant\n",
     .style = Style::mpt,
     .separator = "<|im_end|>"},
};

/// A turn of either side; an empty text is an answer that is still to come.
struct Turn {
  bool is_user = true;
  std::string_view text;
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

/// The reference takes `separator` for all styles but `two`. For mistral that is the empty string,
/// which stops at once; the end of an answer is meant.
std::string stop_string(const ChatTemplate& row) {
  const bool ends_by_second = row.style == Style::two || row.style == Style::mistral;
  return ends_by_second ? row.separator2 : row.separator;
}

std::string without_pictures(std::string_view text) {
  constexpr std::string_view kPicture = "<image>";
  constexpr std::string_view kWhite = " \t\n\v\f\r";
  std::string rest(text);
  for (size_t at; (at = rest.find(kPicture)) != std::string::npos;)
    rest.erase(at, kPicture.size());
  const size_t begin = rest.find_first_not_of(kWhite);
  if (begin == std::string::npos) return {};
  return rest.substr(begin, rest.find_last_not_of(kWhite) - begin + 1);
}

}  // namespace

const ChatTemplate& find_chat_template(std::string_view name) {
  for (const ChatTemplate& row : kTemplates) {
    if (name == row.name || (row.alias != nullptr && name == row.alias)) return row;
  }
  fail(ErrorCode::invalid_argument, "template: expected one of {}, found \"{}\"",
       fmt::join(chat_template_names(), ", "), name);
}

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names;
  for (const ChatTemplate& row : kTemplates) {
    names.emplace_back(row.name);
    if (row.alias != nullptr) names.emplace_back(row.alias);
  }
  return names;
}

RenderedPrompt render_chat(const ChatTemplate& chat_template, std::span<const Message> messages,
                           const std::optional<std::string>& system, bool add_generation_prompt) {
  std::vector<Turn> turns = to_turns(chat_template, messages);
  const bool is_answered = messages.size() % 2 == 0;
  if (add_generation_prompt && !is_answered) turns.push_back({false, {}});
  const std::string_view used_system = system ? std::string_view(*system) : chat_template.system;
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
