// SPDX-License-Identifier: Apache-2.0
#include "formats/checkpoint.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/weights.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kClipPrefix = "vision_model.";
constexpr std::string_view kFlatTowerPrefix = "model.vision_tower.vision_tower.";

bool has_prefix(const TensorMap& tensors, std::string_view prefix) {
  const auto first = tensors.lower_bound(prefix);
  return first != tensors.end() && first->first.starts_with(prefix);
}

/// The tower of a CLIP file under the names of the flat layout; what is not of the tower is left.
TensorMap flat_tower(const TensorMap& clip) {
  TensorMap tower;
  for (auto it = clip.lower_bound(kClipPrefix);
       it != clip.end() && it->first.starts_with(kClipPrefix); ++it) {
    tower.emplace(std::string(kFlatTowerPrefix) + it->first, it->second);
  }
  return tower;
}

/// "" when config.json names no tower.
std::string tower_name(const fs::path& config_path) {
  const Json config = read_json_file(config_path, ErrorCode::invalid_model);
  try {
    return json_get<std::string>(config, "mm_vision_tower", "", config_path.string());
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_model, error.message());
  }
}

fs::path find_tower_folder(const fs::path& folder, const std::string& name) {
  const fs::path path = (folder / name).lexically_normal();  // an absolute name replaces folder
  if (!fs::exists(path / "config.json")) {
    fail(
        ErrorCode::not_found,
        "{}: mm_vision_tower is \"{}\": expected a CLIP folder with config.json at {}, found none; "
        "put it there or correct mm_vision_tower",
        (folder / "config.json").string(), name, path.string());
  }
  return path;
}

void add_tower_of_folder(Checkpoint& checkpoint) {
  Weights clip = read_weights(checkpoint.vision_folder);
  TensorMap tower = flat_tower(clip.tensors);
  if (tower.empty()) {
    fail(ErrorCode::invalid_model, "{}: expected tensors \"{}…\" of a CLIP model, found none",
         checkpoint.vision_folder.string(), kClipPrefix);
  }
  checkpoint.tensors.merge(tower);
  checkpoint.files.insert(checkpoint.files.end(), clip.files.begin(), clip.files.end());
}

}  // namespace

Checkpoint open_checkpoint(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    fail(ErrorCode::not_found, "{}: expected a checkpoint folder, found {}", folder.string(),
         fs::exists(folder) ? "a file" : "nothing");
  }
  const std::string tower = tower_name(folder / "config.json");
  Weights weights = read_weights(folder);

  Checkpoint checkpoint{
      .folder = folder, .tensors = {}, .files = std::move(weights.files), .vision_folder = {}};
  if (has_prefix(weights.tensors, kClipPrefix)) {
    checkpoint.tensors = flat_tower(weights.tensors);
    checkpoint.vision_folder = folder;
    return checkpoint;
  }
  checkpoint.tensors = std::move(weights.tensors);
  if (tower.empty()) return checkpoint;
  checkpoint.vision_folder = find_tower_folder(folder, tower);
  if (!has_prefix(checkpoint.tensors, kFlatTowerPrefix)) add_tower_of_folder(checkpoint);
  return checkpoint;
}

}  // namespace vila::formats
