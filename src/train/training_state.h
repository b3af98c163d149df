// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "train/optimizer.h"
#include "train/parameter_set.h"
#include "train/task.h"

namespace vila::train {

/// What going on needs beside parameters and moments: all randomness is a function of seed and
/// position.
struct Progress {
  int64_t step = 0;   // steps done
  int64_t steps = 0;  // of the whole run
  Cursor cursor;
};

/// Saves everything in `folder`/step-N: written under another name and renamed, so that a state is
/// there whole or not at all; the last two stay. @throws Error{insufficient_disk | failed}
void save_state(const std::filesystem::path& folder, const Progress& progress,
                const ParameterSet& parameters, const Optimizer& optimizer);

/// Restores the newest state; nothing when there is none. @throws Error{invalid_model}
std::optional<Progress> restore_state(const std::filesystem::path& folder, ParameterSet& parameters,
                                      Optimizer& optimizer);

/// The newest state's progress, without its tensors.
std::optional<Progress> peek_state(const std::filesystem::path& folder);

}  // namespace vila::train
