// SPDX-License-Identifier: Apache-2.0
#include "formats/model_source.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/hub_cache.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 4;

bool has_any(const fs::path& folder, std::span<const char* const> names) {
  return std::ranges::any_of(names, [&](const char* name) { return fs::exists(folder / name); });
}

bool has_torch_weights(const fs::path& folder) {
  return std::ranges::any_of(fs::directory_iterator(folder), [](const fs::directory_entry& entry) {
    return entry.path().extension() == ".pt";
  });
}

/// Which file names the base, and under which key.
std::string named_base(const fs::path& folder, FolderKind kind) {
  const bool is_lora = kind == FolderKind::lora;
  const fs::path path = folder / (is_lora ? "adapter_config.json" : "config.json");
  const char* key = is_lora ? "base_model_name_or_path" : "_name_or_path";
  if (!fs::exists(path)) return "";
  const Json json = read_json_file(path, ErrorCode::invalid_model);
  const auto found = json.is_object() ? json.find(key) : json.end();
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>()
                                                                       : "";
}

std::optional<fs::path> in_cache(const HubCache& cache, const HubId& id) {
  auto snapshot = cache.snapshot(id);
  return snapshot && fs::exists(*snapshot / "config.json") ? snapshot : std::nullopt;
}

}  // namespace

FolderKind folder_kind(const fs::path& folder) {
  constexpr std::array kWholes = {"model.safetensors", "model.safetensors.index.json",
                                  "pytorch_model.bin", "pytorch_model.bin.index.json",
                                  "llm/config.json"};
  if (fs::exists(folder / "adapter_config.json")) return FolderKind::lora;
  const bool is_projector = fs::exists(folder / "mm_projector.bin") && !has_any(folder, kWholes) &&
                            !has_torch_weights(folder);
  return is_projector ? FolderKind::projector : FolderKind::whole;
}

const char* folder_kind_name(FolderKind kind) {
  if (kind == FolderKind::lora) return "LoRA adapter";
  return kind == FolderKind::projector ? "projector" : "whole model";
}

std::optional<fs::path> find_named_model(const ModelSource& source, const fs::path& folder,
                                         const std::string& name) {
  if (name.empty()) return std::nullopt;
  const fs::path path = (folder / name).lexically_normal();  // an absolute name replaces folder
  if (fs::exists(path / "config.json")) return path;
  const auto id = parse_hub_id(name);
  if (!id) return std::nullopt;
  if (const auto around = hub_cache_around(source.folder)) {
    if (auto found = in_cache(*around, *id)) return found;
  }
  return source.hub_cache.empty() ? std::nullopt : in_cache(HubCache(source.hub_cache), *id);
}

ModelSource base_of(const ModelSource& source, FolderKind kind) {
  ModelSource base;
  base.depth = source.depth + 1;
  if (base.depth > kMaxDepth) {
    fail(ErrorCode::invalid_model, "{}: expected a whole model at the end, found {} bases in a row",
         source.folder.string(), kMaxDepth);
  }
  base.hub_cache = source.hub_cache;
  base.adapter = source.adapter;
  base.folder = source.base;
  if (!base.folder.empty()) return base;
  const fs::path folder = checkpoint_root(source.folder);
  const std::string name = named_base(folder, kind);
  const auto found = find_named_model(source, folder, name);
  if (!found || fs::equivalent(*found, folder)) {
    const bool is_on_hub = parse_hub_id(name).has_value();
    fail(ErrorCode::not_found,
         "{}: a {}: expected the model it builds on{}, found none; name it with --base MODEL{}",
         folder.string(), folder_kind_name(kind), name.empty() ? "" : fmt::format(", \"{}\"", name),
         is_on_hub ? fmt::format(", or fetch it: vila pull {}", name) : "");
  }
  base.folder = *found;
  return base;
}

bool has_tokenizer(const fs::path& folder) {
  constexpr std::array kFiles = {"tokenizer.model", "tokenizer.json", "llm/tokenizer.model",
                                 "llm/tokenizer.json"};
  return has_any(folder, kFiles);
}

}  // namespace vila::formats
