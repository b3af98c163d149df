// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/answers.h"
#include "eval/data_folder.h"
#include "eval/score.h"

namespace vila::eval {

/// One question as the model gets it. A value.
struct Question {
  std::string id;             // as the answer file will carry it
  bool id_is_number = false;  // whether it is written without quotes
  std::string image;          // file below the data folder; "" for none
  std::string image_bytes;    // the encoded picture itself, where a table carries it
  std::string prompt;         // without "<image>" and template
  std::string stored_prompt;  // what the answer file keeps where that differs from `prompt`
  std::string category;
  std::vector<std::string> options;  // MMBench: the choices, in the order A, B, …
  std::string row;                   // "file:line", for messages
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

/// One benchmark: a row of the table. A function that is null is not needed there.
struct Task {
  const char* name;
  const char* title;     // in VILA's table
  const char* protocol;  // prompt, parser and metric in a few words, part of the protocol id
  std::vector<Question> (*questions)(const DataFolder& data);
  Score (*score)(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
  Upload (*upload)(const DataFolder& data, const Answers& answers);
  int64_t max_tokens;
  int card_decimals;
  double card_scale;  // of the reported figure in the card
};

/// All benchmarks: the 12 of VILA's table in its order, then the others.
std::span<const Task> tasks();

/// The 12 alone.
std::span<const Task> paper_tasks();

/// @throws Error{invalid_argument} listing the names there are.
const Task& find_task(std::string_view name);

/// score() of the task with what was left over or repeated noted.
/// @throws Error{not_found | invalid_data | invalid_argument}
Score score_answers(const Task& task, const DataFolder& data, const Answers& answers,
                    const ScoreOptions& options = {});

}  // namespace vila::eval
