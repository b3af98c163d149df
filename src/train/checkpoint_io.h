// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "spec/config.h"
#include "train/parameter_set.h"
#include "train/recipe.h"

namespace vila::train {

/// The config of a stage: sizes of the parts that `init` names come from their folders, the others
/// from the recipe. @throws Error{invalid_config | not_found}
spec::VilaConfig stage_config(const Recipe& recipe, int64_t vocab_size);

/// Overwrites the parts that `init` names with their folders' tensors. @throws Error{invalid_model}
void load_parts(const InitRecipe& init, ParameterSet& parameters);

/// What save_checkpoint() needs beside the parameters.
struct SaveOptions {
  std::filesystem::path tokenizer;  // file or folder, copied
  bool store_bf16 = false;
};

/// A whole VILA, or a language model where the config has no tower, in the flat published layout:
/// config.json, model.safetensors, tokenizer, vision_tower/. @throws Error{insufficient_disk |
/// failed}
void save_checkpoint(const std::filesystem::path& folder, const spec::VilaConfig& config,
                     const ParameterSet& parameters, const SaveOptions& options);

/// The tower alone, as a CLIP folder (text side left out).
void save_tower(const std::filesystem::path& folder, const spec::VilaConfig& config,
                const ParameterSet& parameters, bool store_bf16);

}  // namespace vila::train
