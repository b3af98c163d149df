// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "cli/answer.h"
#include "cli/media_loader.h"

namespace vila::cli {

/// Many requests, one JSON object a line.
struct BatchOptions {
  std::string input;             // a file, or "-" for stdin
  std::filesystem::path output;  // empty: stdout
  engine::GenerateOptions sampling;
  std::optional<std::string> system;
  bool is_raw = false;
  int64_t num_frames = 0;     // of each video; 0: as many as the model's config says
  std::string chat_template;  // empty: the model's
};

/// One line of a batch as a question: {"prompt" or "messages", "images"?, "video" or "videos"?,
/// "num_frames"?, …}. Paths are relative to `folder`.
/// @throws Error whatever is wrong with the line.
Question parse_batch_line(const Json& line, const BatchOptions& options,
                          const std::filesystem::path& folder, MediaLoader& media);

/// Answers every line in order; a bad one gives {"id", "error"}. With an output file that already
/// holds answers, goes on after them (a cut last line is written anew).
/// @param is_cancelled  asked between groups of requests.
/// @throws Error{not_found} no input, Error{insufficient_disk | failed} the output,
/// Error{cancelled}.
void run_batch(engine::Engine& engine, const BatchOptions& options,
               const std::function<bool()>& is_cancelled);

}  // namespace vila::cli
