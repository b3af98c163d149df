// SPDX-License-Identifier: Apache-2.0
#include "cli/conversation.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "spec/prompt.h"

namespace vila::cli {

Conversation parse_messages(const Json& messages, const std::string& source) {
  if (!messages.is_array() || messages.empty()) {
    fail(ErrorCode::invalid_data, "{}: messages: expected a list with at least one message",
         source);
  }
  Conversation conversation;
  for (const Json& row : messages) {
    if (!row.is_object()) {
      fail(ErrorCode::invalid_data,
           "{}: messages: expected objects with role and content, found {}", source, row.dump());
    }
    text::Message message{json_require<std::string>(row, "role", source),
                          json_require<std::string>(row, "content", source)};
    if (message.role == "system" && conversation.messages.empty() && !conversation.system) {
      conversation.system = std::move(message.content);
    } else if (message.role == "user" || message.role == "assistant") {
      conversation.messages.push_back(std::move(message));
    } else {
      fail(ErrorCode::invalid_data,
           "{}: messages: expected role user or assistant (system only first), found '{}'", source,
           message.role);
    }
  }
  return conversation;
}

Json messages_json(const Conversation& conversation) {
  Json rows = Json::array();
  if (conversation.system) rows.push_back({{"role", "system"}, {"content", *conversation.system}});
  for (const text::Message& message : conversation.messages) {
    rows.push_back({{"role", message.role}, {"content", message.content}});
  }
  return rows;
}

void place_images(Conversation& conversation, int64_t images) {
  int64_t placeholders = 0;
  for (const text::Message& message : conversation.messages) {
    placeholders += spec::count_images(message.content);
  }
  if (placeholders == images) return;
  if (placeholders > 0 || conversation.messages.empty()) {
    fail(ErrorCode::invalid_argument,
         "prompt: expected one <image> for each picture, found {} <image> and {} pictures",
         placeholders, images);
  }
  std::string& first = conversation.messages.front().content;
  first = spec::place_images(first, images);
}

}  // namespace vila::cli
