// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/media_loader.h"

namespace vila::cli {

/// A conversation that goes on: its turns, its pictures, its sampling options, and the commands
/// that change them. One thread.
class ChatSession {
 public:
  /// @param media  loads pictures and videos for the model that answers.
  ChatSession(std::shared_ptr<MediaLoader> media, engine::GenerateOptions sampling,
              std::optional<std::string> system);

  /// Adds a picture to the next message. @throws Error{not_found | invalid_image}
  void add_image(const std::filesystem::path& path);
  /// Adds a video to the next message. @throws Error as MediaLoader::video()
  void add_video(const std::filesystem::path& path);

  /// Forgets turns and pictures; keeps system text and options.
  void clear();

  /// Writes or reads {"messages", "images", "videos", "options"}; paths stay as they were given.
  /// Loading replaces everything, or on failure nothing.
  /// @throws Error{not_found | invalid_data | invalid_image | insufficient_disk}
  void save(const std::filesystem::path& path) const;
  void load(const std::filesystem::path& path);

  /// Sets a sampling option, or "system". `value` is JSON or plain text.
  /// @throws Error{invalid_argument} naming the options there are.
  void set(const std::string& name, const std::string& value);

  /// Options, turns, pictures and videos for a person.
  std::string show() const;

  /// The question that `text` asks after all turns so far, pending media placed in it.
  /// @throws Error{invalid_argument} places in the text and pending media differ in number.
  Question ask(const std::string& text);

  /// Records what the model said to the last ask().
  void answer(const std::string& text);
  /// Takes the last ask() back (it failed).
  void withdraw();

 private:
  std::shared_ptr<MediaLoader> media_;
  engine::GenerateOptions sampling_;
  Conversation conversation_;
  std::vector<std::string> image_paths_;  // of all turns and pending ones, in order
  std::vector<std::string> video_paths_;
  std::vector<std::shared_ptr<const media::Image>> images_;
  std::vector<std::shared_ptr<const engine::Video>> videos_;
  spec::MediaCount pending_;  // not yet in a message
  spec::MediaCount asked_;    // of the last ask()
};

}  // namespace vila::cli
