// SPDX-License-Identifier: Apache-2.0
#include "formats/checkpoint.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr std::string_view kClipPrefix = "vision_model.";
constexpr std::string_view kFlatTowerPrefix = "model.vision_tower.vision_tower.";

using Tensors = std::map<std::string, Tensor, std::less<>>;

/// The weight files of one folder, read.
struct Weights {
  Tensors tensors;
  std::vector<fs::path> files;
};

/// Buffers that old files carry although they follow from the config.
bool is_derived_buffer(std::string_view name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("embeddings.position_ids");
}

/// shard -> names, as the index tells. Shards are files of the same folder: an index that points
/// elsewhere is refused.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& path) {
  const Json index = read_json_file(path, ErrorCode::invalid_model);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object() || map->empty()) {
    fail(ErrorCode::invalid_model, "{}: expected an object \"weight_map\" with tensors, found none",
         path.string());
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, value] : map->items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    const bool is_plain_name = !shard.empty() && shard != "." && shard != ".." &&
                               shard.find_first_of(std::string_view("/\\\0", 3)) == shard.npos;
    if (!is_plain_name) {
      fail(ErrorCode::invalid_model,
           "{}: tensor \"{}\": expected the name of a file in the same folder, found {}",
           path.string(), name, value.dump().substr(0, 80));
    }
    shards[shard].push_back(name);
  }
  return shards;
}

Weights read_shards(const fs::path& index) {
  Weights weights;
  for (const auto& [shard, names] : read_index(index)) {
    const fs::path path = index.parent_path() / shard;
    if (!fs::exists(path)) {
      fail(ErrorCode::not_found, "{}: shard \"{}\" is missing; download it beside the index",
           index.string(), shard);
    }
    const SafetensorsFile file = read_safetensors(path);
    for (const std::string& name : names) {
      const auto found = file.tensors.find(name);
      if (found == file.tensors.end()) {
        fail(ErrorCode::invalid_model, "{}: expected tensor \"{}\" (so says {}), found none",
             path.string(), name, kIndexFile);
      }
      weights.tensors.insert(*found);
    }
    weights.files.push_back(path);
  }
  return weights;
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".bin") {
      fail(ErrorCode::invalid_model,
           "{}: this build reads .safetensors, found \"{}\"; convert the checkpoint to safetensors",
           folder.string(), entry.path().filename().string());
    }
  }
  fail(ErrorCode::not_found, "{}: expected {} or {}, found neither", folder.string(), kSingleFile,
       kIndexFile);
}

Weights read_weights(const fs::path& folder) {
  Weights weights;
  if (fs::exists(folder / kSingleFile)) {
    weights = {read_safetensors(folder / kSingleFile).tensors, {folder / kSingleFile}};
  } else if (fs::exists(folder / kIndexFile)) {
    weights = read_shards(folder / kIndexFile);
  } else {
    fail_without_weights(folder);
  }
  std::erase_if(weights.tensors, [](const auto& item) { return is_derived_buffer(item.first); });
  return weights;
}

bool has_prefix(const Tensors& tensors, std::string_view prefix) {
  const auto first = tensors.lower_bound(prefix);
  return first != tensors.end() && first->first.starts_with(prefix);
}

/// The tower of a CLIP file under the names of the flat layout; what is not of the tower is left.
Tensors flat_tower(const Tensors& clip) {
  Tensors tower;
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
  Tensors tower = flat_tower(clip.tensors);
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
