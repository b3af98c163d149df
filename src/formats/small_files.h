// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "formats/model_source.h"

namespace vila::formats {

/// Configs, tokenizers and other small files of a model by their path in its folder.
using SmallFiles = std::map<std::string, std::string>;

/// folder / name, where names come from files that others wrote.
/// @throws Error{invalid_model} a name that leads out of the folder.
std::filesystem::path path_inside(const std::filesystem::path& folder, const std::string& name);

/// Writes them below `folder`, sub-folders included.
/// @throws Error{invalid_model} a path that leads out of the folder; Error{insufficient_disk |
/// failed}.
void write_small_files(const std::filesystem::path& folder, const SmallFiles& files);

/// A folder that holds the small files of a model, as their readers expect it. A value; the folder
/// is there as long as a copy is.
struct ModelFolder {
  std::filesystem::path path;
  std::shared_ptr<const void> owner{};  // removes a folder made for a single-file model
};

/// The folder of a model of any form: a folder itself; of a .vila or GGUF file one made for the
/// small files inside, below the system's folder for temporary files; of any other file (weights)
/// the folder that it stands in. Of an adapter without a tokenizer, that of its base.
/// @throws Error{not_found | invalid_model | failed}
ModelFolder open_model_folder(const ModelSource& source);

/// The same of files that were read already.
ModelFolder unfold(const SmallFiles& files);

}  // namespace vila::formats
