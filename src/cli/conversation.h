// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "spec/prompt.h"
#include "text/chat_template.h"

namespace vila::cli {

/// Turns and what stands above them. A value.
struct Conversation {
  std::optional<std::string> system;
  std::vector<text::Message> messages;
};

/// From a "messages" array of OpenAI's form with plain string content; a first message of role
/// "system" becomes `system`. @throws Error{invalid_data} naming `source` and the message.
Conversation parse_messages(const Json& messages, const std::string& source);

/// The "messages" array that parse_messages() reads, system first.
Json messages_json(const Conversation& conversation);

/// Puts the media of a conversation into its first user message, each kind where no message has a
/// place for it, and makes every message what spec::place_media() makes of a prompt.
/// @throws Error{invalid_argument} giving both counts when they differ.
void place_media(Conversation& conversation, spec::MediaCount media, const spec::PromptRule& rule);

}  // namespace vila::cli
