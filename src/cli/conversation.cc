// SPDX-License-Identifier: Apache-2.0
#include "cli/conversation.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

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

void place_media(Conversation& conversation, spec::MediaCount media, const spec::PromptRule& rule) {
  spec::MediaCount places;
  for (const text::Message& message : conversation.messages) {
    const spec::MediaCount own = spec::count_media(message.content);
    places = {places.images + own.images, places.videos + own.videos};
  }
  const bool fits = (places.images == 0 || places.images == media.images) &&
                    (places.videos == 0 || places.videos == media.videos);
  if (!fits || conversation.messages.empty()) {
    fail(ErrorCode::invalid_argument,
         "prompt: expected one <image> for each picture and one <vila/video> for each video, found "
         "{} <image> and {} pictures, {} <vila/video> and {} videos",
         places.images, media.images, places.videos, media.videos);
  }
  for (text::Message& message : conversation.messages) {
    const bool is_first = &message == &conversation.messages.front();
    spec::MediaCount own = spec::count_media(message.content);
    if (is_first && places.images == 0) own.images = media.images;
    if (is_first && places.videos == 0) own.videos = media.videos;
    message.content = spec::place_media(message.content, own, rule);
  }
}

}  // namespace vila::cli
