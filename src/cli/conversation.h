// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
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

/// Puts "<image>" of `images` pictures into the first user message where no message has any, as
/// place_images() does. @throws Error{invalid_argument} giving both counts when they differ.
void place_images(Conversation& conversation, int64_t images);

}  // namespace vila::cli
