// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace vila::formats {

/// All tensors of a checkpoint folder by the names of the flat Feb-2024 layout (spec/parameters.h),
/// whatever files they stand in. Immutable; tensors keep their mapped files alive.
struct Checkpoint {
  std::filesystem::path folder;
  std::map<std::string, Tensor, std::less<>> tensors;
  std::vector<std::filesystem::path> files;  // weight files, for messages and `vila inspect`
  std::filesystem::path vision_folder;  // where the tower's config.json stands; empty: no tower
};

/// Opens `folder`: config.json, one model.safetensors or the shards of
/// model.safetensors.index.json. The tower's tensors come from the shards
/// (model.vision_tower.vision_tower.vision_model.…) or, where they are absent, from the CLIP folder
/// that `mm_vision_tower` names (relative to the folder, or absolute; text-side tensors ignored).
/// The buffers `rotary_emb.inv_freq` and `embeddings.position_ids` of old files are ignored. A
/// plain Llama folder (no tower) and a plain CLIP folder (tower only; names get the flat prefix)
/// open as well.
/// @throws Error{not_found | invalid_model} naming folder and file.
Checkpoint open_checkpoint(const std::filesystem::path& folder);

}  // namespace vila::formats
