// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/answers.h"
#include "eval/data_folder.h"
#include "eval/score.h"
#include "media/video.h"

namespace vila::eval {

/// Where a picture comes from: a file below the data folder, or an encoded picture as base64 where
/// a table carries it; or a video file, so many of whose frames are shown. A value.
struct PictureSource {
  std::string file;
  std::string base64;
  int64_t frames = 0;  // > 0: `file` is a video
};

/// One question as the model gets it. A value.
struct Question {
  std::string id;                       // as the answer file will carry it
  bool id_is_number = false;            // whether it is written without quotes
  std::string image;                    // file below the data folder; "" for none
  std::string image_bytes;              // the encoded picture itself, where a table carries it
  std::vector<PictureSource> pictures;  // in place of `image`: several, each "<image>" of `prompt`
  int64_t pictures_in_front = 0;        // but so many of them, the first ones, which stand in front
  std::string video;                    // a video file below the data folder, shown in front
  int64_t video_frames = 0;             // how many frames of it
  media::TimeSpan video_part;           // and of which part
  std::string prompt;                   // without template; "<image>" only where `pictures` are
  bool is_raw = false;                  // `prompt` is all the model gets: no template around it
  int64_t max_tokens = 0;               // 0: the task's
  std::vector<std::string> stop;
  std::string stored_prompt;  // what the answer file keeps where that differs from `prompt`
  std::string category;
  std::vector<std::string> options;        // MMBench: the choices, in the order A, B, …
  std::vector<std::string> continuations;  // what Asking::options compares, e.g. " A", " B"
  std::string row;                         // "file:line", for messages
};

/// How to score; defaults are what the papers of LLaVA and VILA did.
struct ScoreOptions {
  std::string protocol = "official";  // vqav2: official (2021) or vqa-2016
  bool is_partial = false;            // score only the questions that have an answer
};

/// The file that the official server takes.
struct Upload {
  std::string content;
  std::string name;  // as it is usually called
};

/// What a benchmark asks the model for.
enum class Asking {
  generate,  // an answer in words
  options,   // the most probable of a question's `continuations`; the answer is its letter
  losses,    // how well it predicts the text `prompt`; the answer is "NLL tokens bytes"
};

/// One benchmark: a row of the table. A function that is null is not needed there.
struct Task {
  std::string name;
  std::string title;     // in VILA's table
  std::string protocol;  // prompt, parser and metric in a few words, part of the protocol id
  std::function<std::vector<Question>(const DataFolder& data)> questions;
  std::function<Score(const DataFolder& data, const Answers& answers, const ScoreOptions& options)>
      score;
  std::function<Upload(const DataFolder& data, const Answers& answers)> upload;
  int64_t max_tokens = 128;
  int card_decimals = 1;
  double card_scale = 1;  // of the reported figure in the card
  Asking asking = Asking::generate;
};

/// All benchmarks: the 12 of VILA's table in its order, then those of the shipped recipes.
std::span<const Task> tasks();

/// The 12 alone.
std::span<const Task> paper_tasks();

/// The benchmark of that name, or of the recipe in a file whose name ends in ".yaml" or ".yml"
/// (eval/recipe.h). @throws Error{invalid_argument} listing the names there are;
/// Error{not_found | invalid_config} a recipe's file.
Task find_task(std::string_view name);

/// score() of the task with what was left over or repeated noted.
/// @throws Error{not_found | invalid_data | invalid_argument}
Score score_answers(const Task& task, const DataFolder& data, const Answers& answers,
                    const ScoreOptions& options = {});

}  // namespace vila::eval
