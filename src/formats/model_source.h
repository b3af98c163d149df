// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace vila::formats {

/// Where the low-rank part of a LoRA adapter goes.
enum class AdapterPlace {
  merged,         // into the weights; packed ones are an error
  beside_packed,  // into float weights, beside what cannot take it: packed ones, and a table of
                  // embeddings that is the output matrix as well (which has no part in the change)
  beside,         // beside all: the base stays as its file maps it
};

/// A model as a person names it: its folder, and where that looks for what it builds upon. A value.
struct ModelSource {
  ModelSource() = default;

  /// Most models are one folder, so a path is a source.
  ModelSource(std::filesystem::path model) : folder(std::move(model)) {}

  std::filesystem::path folder;
  std::filesystem::path base;  // what an adapter, a projector or a delta builds on; empty: what its
                               // files name
  std::filesystem::path hub_cache;  // where names like ORG/NAME are looked up, besides the cache
                                    // that the folder itself stands in; may be empty
  std::filesystem::path mmproj;     // the seeing half of a GGUF text model; empty: the one that
                                    // stands beside it (formats/mmproj.h)
  AdapterPlace adapter = AdapterPlace::merged;
  int depth = 0;  // of a base: how many models name one another up to it
};

/// What a folder holds, told by its files.
enum class FolderKind {
  whole,      // a model
  lora,       // adapter_config.json and adapter_model.*: low-rank changes to a base
  projector,  // mm_projector.bin alone: what the first stage of training made, for a base
};

/// What `folder` holds, told by the files in it and never by its name.
FolderKind folder_kind(const std::filesystem::path& folder);

/// "LoRA adapter" or "projector", for messages.
const char* folder_kind_name(FolderKind kind);

/// The folder with a config.json that `name` stands for, as config files name other models: a path
/// relative to `folder`, an absolute one, or ORG/NAME of the Hub in one of the source's caches.
std::optional<std::filesystem::path> find_named_model(const ModelSource& source,
                                                      const std::filesystem::path& folder,
                                                      const std::string& name);

/// The base of a folder that is not whole: source.base, else what adapter_config.json
/// (base_model_name_or_path) or config.json (_name_or_path) names.
/// @throws Error{not_found} naming the base, `--base` and `vila pull`; Error{invalid_model} when
/// models name one another without end.
ModelSource base_of(const ModelSource& source, FolderKind kind);

/// Whether a folder holds a tokenizer of its own, be it in its llm/.
bool has_tokenizer(const std::filesystem::path& folder);

}  // namespace vila::formats
