// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "media/image.h"
#include "media/video.h"

namespace vila::eval {

/// A video of a prompt: which of its frames the model sees is the model's own rule. A value.
struct PromptVideo {
  std::filesystem::path file;
  int64_t frames = 0;  // so many of them
  media::TimeSpan part{};
};

/// One request of a benchmark to the model. A value.
struct Prompt {
  std::string text;  // "<image>" at the place of each picture but of those in front
  std::vector<std::shared_ptr<const media::Image>> pictures;  // one pointer: encoded once
  int64_t pictures_in_front = 0;    // of them, the first ones: the model writes where they stand
  std::vector<PromptVideo> videos;  // in front as well
  std::string row;                  // "file:line" of the question, for messages
  bool is_raw = false;              // the whole prompt: no chat template around it
  int64_t max_tokens = 128;
  std::vector<std::string> stop;  // beside those of the template
};

/// What became of one prompt: an answer, or why there is none. A value.
struct Reply {
  std::string text;
  std::string error;  // "" for none
};

/// Called with the number of a prompt in its batch and its reply, as soon as that is there; in no
/// particular order.
using OnReply = std::function<void(size_t index, const Reply& reply)>;

/// The model as the benchmarks see it: functions, since this layer knows no engine. Each is greedy
/// and gives the same for a prompt whatever else is in its batch. A function that a benchmark does
/// not need may be empty.
struct Model {
  /// Answers a batch: `on_reply` is called once for each prompt.
  std::function<void(std::span<const Prompt> prompts, const OnReply& on_reply)> generate;

  /// Natural logarithm of the probability of the first token of each continuation, right after the
  /// prompt: how a multiple choice is scored by its letters.
  std::function<std::vector<double>(const Prompt& prompt,
                                    std::span<const std::string> continuations)>
      log_likelihoods;

  /// Negative log likelihood of each token of a text but the first.
  std::function<std::vector<double>(const std::string& text)> losses;
};

}  // namespace vila::eval
