// SPDX-License-Identifier: Apache-2.0
#include "formats/weights.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/awq.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

/// Names that weights stand under, the first that is there counts.
constexpr std::array<const char*, 5> kNames = {"model.safetensors", "model.safetensors.index.json",
                                               "pytorch_model.bin", "pytorch_model.bin.index.json",
                                               "mm_projector.bin"};

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
    const auto [tensors, map] = open_weight_file(path);
    for (const std::string& name : names) {
      const auto found = tensors.find(name);
      if (found == tensors.end()) {
        fail(ErrorCode::invalid_model, "{}: expected tensor \"{}\" (so says {}), found none",
             path.string(), name, index.filename().string());
      }
      weights.tensors.insert(*found);
    }
    weights.files.push_back(path);
    weights.maps.push_back(map);
  }
  return weights;
}

Weights read_one_file(const fs::path& path) {
  WeightFile file = open_weight_file(path);
  return {std::move(file.tensors), {}, {path}, {std::move(file.file)}};
}

/// The file under one of the known names, or the only .pt file.
fs::path find_weights(const fs::path& folder) {
  for (const char* name : kNames) {
    if (fs::exists(folder / name)) return folder / name;
  }
  std::vector<fs::path> candidates;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".pt") candidates.push_back(entry.path());
  }
  if (candidates.size() == 1) return candidates.front();
  if (candidates.size() > 1) {
    std::ranges::sort(candidates);
    fail(ErrorCode::invalid_model, "{}: expected one .pt file, found \"{}\" and \"{}\"; keep one",
         folder.string(), candidates[0].filename().string(), candidates[1].filename().string());
  }
  fail(ErrorCode::not_found, "{}: expected {}, {}, {}, {} or a .pt file, found none",
       folder.string(), kNames[0], kNames[1], kNames[2], kNames[3]);
}

void set_quantised_apart(Weights& weights) {
  const bool is_packed = std::ranges::any_of(
      weights.tensors, [](const auto& item) { return item.first.ends_with(".qweight"); });
  if (!is_packed) return;
  const fs::path& file = weights.files.front();
  weights.quantised =
      take_awq_linears(weights.tensors, awq_group(file), {file.string(), weights.maps});
}

}  // namespace

Weights read_weights(const fs::path& folder) {
  const fs::path file = find_weights(folder);
  Weights weights = file.extension() == ".json" ? read_shards(file) : read_one_file(file);
  std::erase_if(weights.tensors, [](const auto& item) { return is_derived_buffer(item.first); });
  set_quantised_apart(weights);
  return weights;
}

}  // namespace vila::formats
