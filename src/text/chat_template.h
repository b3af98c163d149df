// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vila::text {

/// One turn. role is "user" or "assistant"; pictures stand as "<image>" in content.
struct Message {
  std::string role;
  std::string content;
};

/// A conversation template as data: one row of the table in chat_template.cc.
/// Source: llava/conversation.py of NVlabs/VILA at 75214d6 (docs/model.md).
struct ChatTemplate {
  enum class Style {
    single,   // system, then "role: text", all ended by `separator`
    two,      // the same, answers ended by `separator2`
    plain,    // texts alone; has no form for an answer
    mpt,      // the role words are whole headers
    llama_2,  // [INST] … [/INST], the system text inside the first turn between <<SYS>> marks
    mistral,  // [INST] … [/INST] without those marks
  };
  const char* name = nullptr;
  const char* alias = nullptr;  // second name; null: none
  const char* system = nullptr;
  const char* user = nullptr;       // role words, e.g. "USER"
  const char* assistant = nullptr;  // e.g. "ASSISTANT"
  Style style = Style::two;
  const char* separator = nullptr;
  const char* separator2 = nullptr;        // null where the style has one
  const char* example_question = nullptr;  // a worked example before the conversation; null: none
  const char* example_answer = nullptr;
  bool tags_picture = false;  // put_picture_first() writes <Image><image></Image>
};

/// The row of that name or alias ("v1" is "vicuna_v1"). @throws Error{invalid_argument} listing the
/// names there are.
const ChatTemplate& find_chat_template(std::string_view name);

/// Names of all rows, aliases included.
std::vector<std::string> chat_template_names();

/// A rendered prompt and where it stops.
struct RenderedPrompt {
  std::string text;
  std::vector<std::string> stop;  // stop strings beside EOS
};

/// The prompt of a conversation, byte for byte as the reference's get_prompt().
/// @param system  replaces the row's system text.
/// @param add_generation_prompt  leave an open slot for the next answer when the last turn is the
///        user's.
/// A message without text counts as one that is still to come, as in the reference.
/// @throws Error{invalid_argument} roles that do not alternate from "user"; turns that the template
///         has no form for ("plain": answers; llama_2 and mistral: an empty first message).
RenderedPrompt render_chat(const ChatTemplate& chat_template, std::span<const Message> messages,
                           const std::optional<std::string>& system, bool add_generation_prompt);

/// What the reference makes of a first message that carries its picture beside the text: "<image>"
/// taken out of it, blanks trimmed, "<image>\n" put in front; the mmtag templates show the picture
/// in a turn of its own that is answered by "Received.".
std::vector<Message> put_picture_first(const ChatTemplate& chat_template,
                                       std::span<const Message> messages);

}  // namespace vila::text
