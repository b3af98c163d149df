// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/log.h"
#include "train/recipe.h"

namespace vila::train {

/// What to do with what a run left in the output folder.
enum class Existing { refuse, resume, overwrite };

/// How a run is started and watched.
struct RunOptions {
  Existing existing = Existing::refuse;
  int threads = 0;  // 0: all cores
  LogSink log;
  std::function<bool()> is_cancelled;  // asked after every step
};

/// Runs one stage to its end: the checkpoint stands in recipe.output, the state for resuming in
/// output/state, logs in output/logs. A stage that is complete is left alone when resumed.
/// @throws Error{cancelled} after the state was saved; Error{invalid_argument} when the folder
/// holds
///         a run and `existing` is refuse; Error{insufficient_disk} with the last state intact.
void run_stage(const Recipe& recipe, const RunOptions& options);

}  // namespace vila::train
