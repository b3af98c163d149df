// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_session.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
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

ChatSession::ChatSession(engine::GenerateOptions sampling, std::optional<std::string> system)
    : sampling_(std::move(sampling)), conversation_{std::move(system), {}} {}

void ChatSession::add_image(const std::filesystem::path& path) {
  images_.push_back(cache_.load(path));
  image_paths_.push_back(path.string());
  ++pending_;
}

void ChatSession::clear() {
  conversation_.messages.clear();
  image_paths_.clear();
  images_.clear();
  pending_ = 0;
}

void ChatSession::save(const std::filesystem::path& path) const {
  const Json json = {{"messages", messages_json(conversation_)},
                     {"images", image_paths_},
                     {"options", sampling_json(sampling_)}};
  write_file(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void ChatSession::load(const std::filesystem::path& path) {
  const std::string source = path.string();
  const Json json = parse_json(read_file(path), source);
  ChatSession loaded(sampling_, std::nullopt);
  loaded.conversation_ = parse_messages(json.value("messages", Json()), source);
  for (const Json& image : json.value("images", Json::array())) {
    loaded.add_image(image.get<std::string>());
  }
  const Json options = json.value("options", Json::object());
  for (const auto& [name, value] : options.items()) {
    set_sampling(loaded.sampling_, name, value);
  }
  check_sampling(loaded.sampling_);
  for (const text::Message& message : loaded.conversation_.messages) {
    loaded.pending_ -= spec::count_images(message.content);
  }
  if (loaded.pending_ < 0) {
    fail(ErrorCode::invalid_data, "{}: expected a picture for each <image>, found {} too few",
         source, -loaded.pending_);
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
  for (const text::Message& message : conversation_.messages) {
    text += message.role + ": " + message.content + "\n";
  }
  return text;
}

Question ChatSession::ask(const std::string& text) {
  const int64_t placeholders = spec::count_images(text);
  if (placeholders != 0 && placeholders != pending_) {
    fail(ErrorCode::invalid_argument,
         "prompt: expected one <image> for each new picture, found {} <image> and {} pictures",
         placeholders, pending_);
  }
  conversation_.messages.push_back({"user", spec::place_images(text, pending_)});
  asked_ = pending_;
  pending_ = 0;
  Question question;
  question.conversation = conversation_;
  question.images = images_;
  question.options = sampling_;
  return question;
}

void ChatSession::answer(const std::string& text) {
  conversation_.messages.push_back({"assistant", text});
}

void ChatSession::withdraw() {
  conversation_.messages.pop_back();
  pending_ = asked_;
}

}  // namespace vila::cli
