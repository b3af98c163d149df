// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "eval/task.h"
#include "media/image.h"

namespace vila::eval {

/// The model, as the harness sees it: a picture (nullptr: none) and a question to an answer.
using Asker = std::function<std::string(const std::shared_ptr<const media::Image>& picture,
                                        const std::string& prompt, int64_t max_tokens)>;

/// How far a run is.
struct Progress {
  int64_t done = 0;  // those of earlier runs included
  int64_t total = 0;
  double seconds_left = 0;  // by the mean of this run
};

/// What a run needs besides the model.
struct EvalOptions {
  std::filesystem::path out;  // the task's own folder
  int64_t limit = 0;          // questions; 0: all
  bool is_resumed = false;    // go on with a folder that has answers
  std::string model;          // its name, kept in each answer
  std::string decoding;       // "greedy, vicuna_v1": part of the protocol
  std::function<void(const Progress&)> on_progress;
  std::function<bool()> is_cancelled;
};

/// Decoded pictures of a task's questions; the last few are kept, so that questions in a row about
/// one picture share it, and the engine encodes it once. One thread.
class QuestionPictures {
 public:
  explicit QuestionPictures(const DataFolder& data) : data_(data) {}

  /// nullptr for a question without one. @throws Error{not_found | invalid_image | invalid_data}
  /// naming the question's row.
  std::shared_ptr<const media::Image> load(const Question& question);

  /// The encoded file, "" for none. @throws as load()
  std::string bytes(const Question& question) const;

 private:
  const DataFolder& data_;
  std::list<std::pair<std::string, std::shared_ptr<const media::Image>>> recent_;
};

/// What makes two results comparable: 128 bits of a hash over questions, pictures' names, prompts,
/// parser and decoding, as hexadecimal digits. The model is not in it.
std::string protocol_id(const Task& task, std::span<const Question> questions,
                        const std::string& decoding);

/// Asks every question once and scores. In `options.out`: answers.jsonl (each answer durable before
/// the next question), protocol.json, and when all are answered score.json, items.jsonl,
/// report.html and the server's file where there is one.
/// @return the score's JSON with "protocol_id" and "model".
/// @throws Error{not_found} a picture, before the first question is asked; Error{invalid_argument}
///         `out` has answers and is not to be resumed, or those of another protocol or model;
///         Error{cancelled}.
Json run_task(const Task& task, const DataFolder& data, const Asker& ask,
              const EvalOptions& options);

/// RFC 4648. @throws Error{invalid_data} naming `source`
std::string decode_base64(std::string_view text, const std::string& source);

}  // namespace vila::eval
