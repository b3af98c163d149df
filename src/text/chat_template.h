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
  enum class Style { single, two, plain, mpt, llama_2 };
  const char* name;
  const char* system;
  const char* user;       // role words, e.g. "USER"
  const char* assistant;  // e.g. "ASSISTANT"
  Style style;
  const char* separator;
  const char* separator2;  // null where the style has one
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
/// @throws Error{invalid_argument} roles that do not alternate from "user".
RenderedPrompt render_chat(const ChatTemplate& chat_template, std::span<const Message> messages,
                           const std::optional<std::string>& system, bool add_generation_prompt);

}  // namespace vila::text
