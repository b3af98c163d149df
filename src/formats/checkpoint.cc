// SPDX-License-Identifier: Apache-2.0
#include "formats/checkpoint.h"

#include <algorithm>
#include <functional>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/adapter.h"
#include "formats/hub_cache.h"
#include "formats/model_package.h"
#include "formats/weights.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kClipPrefix = "vision_model.";
constexpr std::string_view kFlatTowerPrefix = "model.vision_tower.vision_tower.";
constexpr std::string_view kFlatProjectorPrefix = "model.mm_projector.";
constexpr std::string_view kProjectorPrefix = "layers.";

/// Reads the weights that stand in a folder of the checkpoint.
using ReadWeights = std::function<Weights(const fs::path& folder)>;

template <typename Map>
bool has_prefix(const Map& tensors, std::string_view prefix) {
  const auto first = tensors.lower_bound(prefix);
  return first != tensors.end() && first->first.starts_with(prefix);
}

/// What of a CLIP file is of the tower, under the names of the flat layout.
template <typename Map>
void add_flat_tower(const Map& clip, Map& target) {
  for (auto it = clip.lower_bound(kClipPrefix);
       it != clip.end() && it->first.starts_with(kClipPrefix); ++it) {
    target.emplace(std::string(kFlatTowerPrefix) + it->first, it->second);
  }
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

/// The folder that config.json names as `mm_vision_tower`.
fs::path find_tower_folder(const ModelSource& source, const fs::path& folder,
                           const std::string& name) {
  if (const auto found = find_named_model(source, folder, name)) return *found;
  fail(ErrorCode::not_found,
       "{}: mm_vision_tower is \"{}\": expected a CLIP folder with config.json at {}, found none; "
       "put it there or correct mm_vision_tower{}",
       (folder / "config.json").string(), name, (folder / name).lexically_normal().string(),
       parse_hub_id(name) ? fmt::format(", or fetch it: vila pull {}", name) : "");
}

void add_tower_of_folder(Checkpoint& checkpoint, const ReadWeights& read) {
  const Weights clip = read(checkpoint.vision_folder);
  if (!has_prefix(clip.tensors, kClipPrefix)) {
    fail(ErrorCode::invalid_model, "{}: expected tensors \"{}…\" of a CLIP model, found none",
         checkpoint.vision_folder.string(), kClipPrefix);
  }
  add_flat_tower(clip.tensors, checkpoint.tensors);
  add_flat_tower(clip.quantised, checkpoint.quantised);
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

/// Adds one of three folders, its names made flat.
void add_part(Checkpoint& checkpoint, const Weights& weights, const std::string& part) {
  for (const auto& [name, tensor] : weights.tensors)
    checkpoint.tensors.emplace(flat_name(part, name), tensor);
  for (const auto& [name, matrix] : weights.quantised)
    checkpoint.quantised.emplace(flat_name(part, name), matrix);
  checkpoint.files.insert(checkpoint.files.end(), weights.files.begin(), weights.files.end());
}

Checkpoint open_three_folders(const fs::path& root, const ReadWeights& read) {
  Checkpoint checkpoint{.folder = root, .tensors = {}, .files = {}, .vision_folder = {}};
  for (const char* part : {"llm", "vision_tower", "mm_projector"})
    add_part(checkpoint, read(part_folder(root, part)), part);
  checkpoint.vision_folder = part_folder(root, "vision_tower");
  return checkpoint;
}

/// Adds the tower that config.json names, where it is not among the tensors.
void attach_tower(Checkpoint& checkpoint, const std::string& name, const ReadWeights& read,
                  const ModelSource& source) {
  if (name.empty()) return;
  checkpoint.vision_folder = find_tower_folder(source, checkpoint.folder, name);
  if (!has_prefix(checkpoint.tensors, kFlatTowerPrefix)) add_tower_of_folder(checkpoint, read);
}

Checkpoint open_flat(const fs::path& root, const ReadWeights& read, const ModelSource& source) {
  const std::string tower = tower_name(root / "config.json");
  Weights weights = read(root);
  Checkpoint checkpoint{
      .folder = root, .tensors = {}, .files = std::move(weights.files), .vision_folder = {}};
  if (has_prefix(weights.tensors, kClipPrefix)) {
    add_flat_tower(weights.tensors, checkpoint.tensors);
    add_flat_tower(weights.quantised, checkpoint.quantised);
    checkpoint.vision_folder = root;
    return checkpoint;
  }
  checkpoint.tensors = std::move(weights.tensors);
  checkpoint.quantised = std::move(weights.quantised);
  attach_tower(checkpoint, tower, read, source);
  return checkpoint;
}

Checkpoint open_layout(const fs::path& root, const ReadWeights& read, const ModelSource& source) {
  return has_three_folders(root) ? open_three_folders(root, read) : open_flat(root, read, source);
}

/// A file that holds a whole model: its small files in a folder, its parts where that folder's
/// sub-folders would be.
Checkpoint open_package_file(const ModelSource& source) {
  const fs::path& file = source.folder;
  const ModelPackage package = open_package(source);
  const ModelFolder folder = unfold(package.files);
  const auto read = [&](const fs::path& place) {
    const fs::path relative = place.lexically_relative(folder.path);
    const std::string part = relative == "." ? "" : relative.string();
    Weights weights{.tensors = {}, .quantised = {}, .files = {}};
    if (const auto found = package.parts.find(part); found != package.parts.end())
      weights.tensors = found->second;
    if (const auto found = package.quantised.find(part); found != package.quantised.end())
      weights.quantised = found->second;
    return weights;
  };
  Checkpoint checkpoint = open_layout(folder.path, read, file);
  checkpoint.files = {file};
  checkpoint.tokenizer_folder = folder.path;
  checkpoint.folder_owner = folder.owner;
  return checkpoint;
}

Checkpoint open_whole(const ModelSource& source) {
  const fs::path& model = source.folder;
  if (is_package_file(model)) return open_package_file(source);
  if (!fs::exists(model)) {
    fail(ErrorCode::not_found, "{}: expected a checkpoint folder or file, found nothing",
         model.string());
  }
  const fs::path folder = fs::is_directory(model) ? model : folder_of_weights(model);
  Checkpoint checkpoint = open_layout(checkpoint_root(folder), read_weights, source);
  checkpoint.tokenizer_folder = folder;
  return checkpoint;
}

/// A base with an adapter or a projector put onto it.
Checkpoint open_merged(const ModelSource& source, const fs::path& folder, FolderKind kind) {
  Checkpoint checkpoint = open_checkpoint(base_of(source, kind));
  apply_adapter(folder, kind, source.adapter,
                {checkpoint.tensors, checkpoint.quantised, checkpoint.changes});
  checkpoint.files.push_back(folder);
  if (has_tokenizer(folder)) checkpoint.tokenizer_folder = folder;
  if (!fs::exists(folder / "config.json") || has_three_folders(checkpoint.folder))
    return checkpoint;
  checkpoint.folder = folder;
  if (checkpoint.vision_folder.empty())
    attach_tower(checkpoint, tower_name(folder / "config.json"), read_weights, source);
  return checkpoint;
}

/// Differences to a base become weights.
void complete_delta(Checkpoint& delta, const ModelSource& source) {
  const Checkpoint base = open_checkpoint(base_of(source, FolderKind::whole));
  if (!base.quantised.empty() || !delta.quantised.empty()) {
    fail(ErrorCode::invalid_model,
         "{}: expected float weights in both the delta and its base, "
         "found packed ones",
         source.folder.string());
  }
  add_base(delta.tensors, base.tensors, source.folder.string());
}

}  // namespace

std::string flat_name(std::string_view part, std::string_view name) {
  if (part == "vision_tower") return flat_tower_name(name);
  return part == "mm_projector" ? flat_projector_name(name) : std::string(name);
}

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

fs::path folder_of_weights(const fs::path& file) {
  const fs::path folder = file.parent_path();
  const fs::path around = fs::absolute(folder).parent_path();
  const bool is_part =
      folder.filename() == "llm" && fs::exists(around / "config.json") && has_three_folders(around);
  return is_part ? around : folder;
}

int64_t Checkpoint::weight_bytes() const {
  int64_t sum = 0;
  for (const auto& [name, tensor] : tensors)
    sum += static_cast<int64_t>(tensor.nbytes());
  for (const auto& [name, matrix] : quantised)
    sum += matrix.bytes();
  for (const auto& [module, change] : changes)
    sum += change.bytes();
  return sum;
}

Checkpoint open_checkpoint(const ModelSource& source) {
  const fs::path folder = checkpoint_root(source.folder);
  const FolderKind kind = folder_kind(folder);
  if (kind != FolderKind::whole) return open_merged(source, folder, kind);
  Checkpoint checkpoint = open_whole(source);
  if (!source.base.empty()) {
    complete_delta(checkpoint, source);
  } else if (looks_like_delta(checkpoint.tensors)) {
    fail(ErrorCode::invalid_model,
         "{}: expected weights, found differences to those of another model (a delta checkpoint); "
         "name that model with --base MODEL",
         folder.string());
  }
  return checkpoint;
}

}  // namespace vila::formats
