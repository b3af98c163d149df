// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
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

/// What style jinja puts around texts; there an empty answer is one and not an open slot.
struct TemplateMarks {
  const char* begin = "";         // of the prompt
  const char* system_begin = "";  // of a system turn, left out where there is no system text
  const char* system_end = "";
  const char* user_end = "";
  const char* assistant_end = "";
  const char* open = "";      // an answer that is still to come
  bool trims = false;         // texts lose the blanks around them
  bool opens_always = false;  // whether an answer is asked for or not
};

/// A conversation template as data: one row of chat_template_table.cc.
/// Source: llava/conversation.py of NVlabs/VILA at 75214d6, 277b9f6 ("hermes-2", "llama_3") and
/// b760c34 ("llama_3_eot", there called llama_3; "qwen2" and "mistral_instruct": its Jinja files).
struct ChatTemplate {
  enum class Style {
    single,   // system, then "role: text", all ended by `separator`
    two,      // the same, answers ended by `separator2`
    plain,    // texts alone; has no form for an answer
    mpt,      // the role words are whole headers
    llama_2,  // [INST] … [/INST], the system text inside the first turn between <<SYS>> marks
    mistral,  // [INST] … [/INST] without those marks
    llama_3,  // as mpt, but the last text ends with `separator2`
    jinja,    // the form of a tokenizer's own template: see TemplateMarks
  };
  const char* name = nullptr;
  const char* alias = nullptr;      // second name; null: none
  const char* system = nullptr;     // jinja: empty says that there is no system turn by default
  const char* user = nullptr;       // role words, e.g. "USER"
  const char* assistant = nullptr;  // e.g. "ASSISTANT"
  Style style = Style::two;
  const char* separator = nullptr;
  const char* separator2 = nullptr;        // null where the style has one
  const char* example_question = nullptr;  // a worked example before the conversation; null: none
  const char* example_answer = nullptr;
  bool tags_picture = false;  // put_picture_first() writes <Image><image></Image>
  TemplateMarks marks{};
};

/// The row that renders as a tokenizer's Jinja template (of tokenizer_config.json or a GGUF file),
/// recognised by its text: ChatML, Qwen2 and 2.5, SmolLM2, Llama-3, Mistral, Vicuna.
/// @throws Error{invalid_model} an unknown one: which template is meant must be said.
const ChatTemplate& recognise_chat_template(std::string_view jinja);

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

/// The Jinja template in the tokenizer_config.json of a checkpoint (of its llm/ where there is
/// one); empty where it has none. @throws Error{invalid_model} a file that is no JSON object.
std::string read_chat_template(const std::filesystem::path& folder);

/// The prompt of a conversation, byte for byte as the reference's get_prompt().
/// @param system  replaces the row's system text.
/// @param add_generation_prompt  leave an open slot for the next answer when the last turn is the
///        user's (jinja: whoever's it is).
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
