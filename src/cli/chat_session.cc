// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_session.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/output.h"
#include "cli/sampling.h"
#include "spec/prompt.h"

namespace vila::cli {
namespace {

Json parse_value(const std::string& text) {
  const Json value = Json::parse(text, nullptr, false);
  return value.is_discarded() ? Json(text) : value;
}

}  // namespace

ChatSession::ChatSession(std::shared_ptr<MediaLoader> media, engine::GenerateOptions sampling,
                         std::optional<std::string> system)
    : media_(std::move(media)),
      sampling_(std::move(sampling)),
      conversation_{std::move(system), {}} {}

void ChatSession::add_image(const std::filesystem::path& path) {
  images_.push_back(media_->image(path));
  image_paths_.push_back(path.string());
  ++pending_.images;
}

void ChatSession::add_video(const std::filesystem::path& path) {
  videos_.push_back(media_->video(path));
  video_paths_.push_back(path.string());
  ++pending_.videos;
}

void ChatSession::clear() {
  conversation_.messages.clear();
  image_paths_.clear();
  images_.clear();
  video_paths_.clear();
  videos_.clear();
  pending_ = {};
}

void ChatSession::save(const std::filesystem::path& path) const {
  const Json json = {{"messages", messages_json(conversation_)},
                     {"images", image_paths_},
                     {"videos", video_paths_},
                     {"options", sampling_json(sampling_)}};
  write_file(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void ChatSession::load(const std::filesystem::path& path) {
  const std::string source = path.string();
  const Json json = parse_json(read_file(path), source);
  ChatSession loaded(media_, sampling_, std::nullopt);
  loaded.conversation_ = parse_messages(json.value("messages", Json()), source);
  for (const Json& image : json.value("images", Json::array())) {
    loaded.add_image(image.get<std::string>());
  }
  for (const Json& video : json.value("videos", Json::array())) {
    loaded.add_video(video.get<std::string>());
  }
  const Json options = json.value("options", Json::object());
  for (const auto& [name, value] : options.items()) {
    set_sampling(loaded.sampling_, name, value);
  }
  check_sampling(loaded.sampling_);
  for (const text::Message& message : loaded.conversation_.messages) {
    const spec::MediaCount places = spec::count_media(message.content);
    loaded.pending_.images -= places.images;
    loaded.pending_.videos -= places.videos;
  }
  if (loaded.pending_.images < 0 || loaded.pending_.videos < 0) {
    fail(ErrorCode::invalid_data,
         "{}: expected a picture for each <image> and a video for each <vila/video>, found {} and "
         "{} too few",
         source, std::max<int64_t>(0, -loaded.pending_.images),
         std::max<int64_t>(0, -loaded.pending_.videos));
  }
  *this = std::move(loaded);
}

void ChatSession::set(const std::string& name, const std::string& value) {
  if (name == "system") {
    conversation_.system = value;
    return;
  }
  engine::GenerateOptions changed = sampling_;
  if (!set_sampling(changed, name, parse_value(value))) {
    std::string names = "system";
    const Json options = sampling_json(sampling_);
    for (const auto& [key, unused] : options.items())
      names += ", " + key;
    fail(ErrorCode::invalid_argument, "/set: expected one of {}, found '{}'", names, name);
  }
  check_sampling(changed);
  sampling_ = changed;
}

std::string ChatSession::show() const {
  std::string text = "options: " + json_line(sampling_json(sampling_)) + "\n";
  if (conversation_.system) text += "system: " + *conversation_.system + "\n";
  for (const std::string& path : image_paths_)
    text += "picture: " + path + "\n";
  for (const std::string& path : video_paths_)
    text += "video: " + path + "\n";
  for (const text::Message& message : conversation_.messages) {
    text += message.role + ": " + message.content + "\n";
  }
  return text;
}

Question ChatSession::ask(const std::string& text) {
  conversation_.messages.push_back(
      {"user", spec::place_media(text, pending_, media_->prompt_rule())});
  asked_ = pending_;
  pending_ = {};
  Question question;
  question.conversation = conversation_;
  question.images = images_;
  question.videos = videos_;
  question.options = sampling_;
  return question;
}

void ChatSession::answer(const std::string& text) {
  const bool trims = media_->prompt_rule().trims;
  conversation_.messages.push_back({"assistant", trims ? std::string(strip(text)) : text});
}

void ChatSession::withdraw() {
  conversation_.messages.pop_back();
  pending_ = asked_;
}

}  // namespace vila::cli
