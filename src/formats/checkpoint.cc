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
constexpr std::string_view kFlatProjectorPrefix = "model.mm_projector.";
constexpr std::string_view kProjectorPrefix = "layers.";

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

/// Flat name of a tensor of vision_tower/: InternViT stands there without "vision_model.".
std::string flat_tower_name(std::string_view name) {
  const std::string_view missing = name.starts_with(kClipPrefix) ? "" : kClipPrefix;
  return fmt::format("{}{}{}", kFlatTowerPrefix, missing, name);
}

std::string flat_projector_name(std::string_view name) {
  if (name.starts_with(kProjectorPrefix)) name.remove_prefix(kProjectorPrefix.size());
  return fmt::format("{}{}", kFlatProjectorPrefix, name);
}

std::string same_name(std::string_view name) {
  return std::string(name);
}

void add_part(Checkpoint& checkpoint, const std::string& part,
              std::string (*flat_name)(std::string_view)) {
  Weights weights = read_weights(part_folder(checkpoint.folder, part));
  for (const auto& [name, tensor] : weights.tensors)
    checkpoint.tensors.emplace(flat_name(name), tensor);
  checkpoint.files.insert(checkpoint.files.end(), weights.files.begin(), weights.files.end());
}

Checkpoint open_three_folders(const fs::path& root) {
  Checkpoint checkpoint{.folder = root, .tensors = {}, .files = {}, .vision_folder = {}};
  add_part(checkpoint, "llm", same_name);
  add_part(checkpoint, "vision_tower", flat_tower_name);
  add_part(checkpoint, "mm_projector", flat_projector_name);
  checkpoint.vision_folder = part_folder(root, "vision_tower");
  return checkpoint;
}

}  // namespace

fs::path checkpoint_root(const fs::path& folder) {
  const bool is_run =
      !fs::exists(folder / "config.json") && fs::exists(folder / "model/config.json");
  return is_run ? folder / "model" : folder;
}

bool has_three_folders(const fs::path& root) {
  if (fs::exists(root / "llm" / "config.json")) return true;
  const Json config = read_json_file(root / "config.json", ErrorCode::invalid_model);
  const auto found = config.is_object() ? config.find("llm_cfg") : config.end();
  return config.is_object() && found != config.end() && !found->is_null();
}

fs::path part_folder(const fs::path& root, const std::string& part) {
  const fs::path beside = root / part;
  if (fs::exists(beside / "config.json")) return beside;
  const Json config = read_json_file(root / "config.json", ErrorCode::invalid_model);
  const auto named = config.is_object() ? config.find(part + "_cfg") : config.end();
  if (config.is_object() && named != config.end() && named->is_string()) {
    const fs::path path = (root / named->get<std::string>()).lexically_normal();
    if (fs::exists(path / "config.json")) return path;
  }
  fail(ErrorCode::not_found,
       "{}: expected a folder \"{}\" with config.json, found none; put it there", root.string(),
       part);
}

Checkpoint open_checkpoint(const fs::path& given) {
  if (!fs::is_directory(given)) {
    fail(ErrorCode::not_found, "{}: expected a checkpoint folder, found {}", given.string(),
         fs::exists(given) ? "a file" : "nothing");
  }
  const fs::path folder = checkpoint_root(given);
  if (has_three_folders(folder)) return open_three_folders(folder);
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
