// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "base/json.h"
#include "eval/model.h"
#include "eval/question_pictures.h"
#include "eval/task.h"

namespace vila::eval {

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
  int64_t batch = 16;         // prompts that the model gets together
  bool is_resumed = false;    // go on with a folder that has answers
  std::string model;          // its name, kept in each answer
  std::string decoding;       // "greedy, vicuna_v1": part of the protocol
  std::function<void(const Progress&)> on_progress;
  std::function<bool()> is_cancelled;
  std::function<Answers(const Answers& answers)> judge{};  // gives the reviews that are scored
};

/// What makes two results comparable: 128 bits of a hash over questions, prompts, names and sizes
/// of the pictures' files (content where a table carries them), parser and decoding, as hexadecimal
/// digits. The model is not in it. @throws Error{not_found} a picture, naming the row.
std::string protocol_id(const Task& task, const DataFolder& data,
                        std::span<const Question> questions, const std::string& decoding);

/// Asks every question once and scores. In `options.out`: answers.jsonl (each answer durable as
/// soon as the model has finished it, in the order of the questions once all are there),
/// protocol.json, and when all are answered score.json, items.jsonl, report.html, timing.json (how
/// much of the run's time the model and the pictures took) and the server's file where there is
/// one.
/// @param pictures  shared by the tasks of a run
/// @return the score's JSON with "protocol_id" and "model".
/// @throws Error{not_found} a picture, before the first question is asked; Error{invalid_argument}
///         `out` has answers and is not to be resumed, or those of another protocol or model;
///         Error{cancelled}.
Json run_task(const Task& task, const DataFolder& data, const Model& model, PictureStore& pictures,
              const EvalOptions& options);

}  // namespace vila::eval
