// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/lora.h"
#include "formats/model_source.h"
#include "formats/quantised_matrix.h"
#include "tensor/tensor.h"

namespace vila::formats {

/// All tensors of a checkpoint by the names of the flat Feb-2024 layout (spec/parameters.h),
/// whatever files they stand in. Immutable; tensors keep their mapped files alive.
struct Checkpoint {
  std::filesystem::path folder;  // of config.json and tokenizer; of a single file a temporary one
  std::map<std::string, Tensor, std::less<>> tensors;
  QuantisedMap quantised{};                  // those of 4 or 8 bits, not among `tensors`
  ChangeMap changes{};                       // of an adapter, beside the two above
  std::vector<std::filesystem::path> files;  // weight files, for messages and `vila inspect`
  std::filesystem::path vision_folder;  // where the tower's config.json stands; empty: no tower
  std::filesystem::path tokenizer_folder{};    // at or below which the tokenizer stands
  std::shared_ptr<const void> folder_owner{};  // keeps a temporary folder

  /// Bytes of all weights in the form that they run in.
  int64_t weight_bytes() const;
};

/// The folder that holds the root config.json of a checkpoint: `folder` itself or, of a training
/// run, its child `model` (HEAD's llava/entry.py).
std::filesystem::path checkpoint_root(const std::filesystem::path& folder);

/// Whether `root` is of the layout of VILA1.5 and NVILA: three folders with configs of their own.
bool has_three_folders(const std::filesystem::path& root);

/// One of the three: `part` is "llm", "vision_tower" or "mm_projector". Folders are found beside
/// the root config, whatever stale path its `resume_path` and `<part>_cfg` name; only where none
/// is there, a `<part>_cfg` that is a string counts.
/// @throws Error{not_found}
std::filesystem::path part_folder(const std::filesystem::path& root, const std::string& part);

/// The folder of the checkpoint that a file of weights belongs to: the one that it stands in, or
/// the folder around that where it is the llm/ of three.
std::filesystem::path folder_of_weights(const std::filesystem::path& file);

/// Opens a checkpoint of any published layout, told apart by what is there, or a single file that
/// holds a whole model (.vila, GGUF; as if its folder were given) or weights (folder_of_weights()):
///
/// Three folders (VILA1.5, NVILA): llm/, vision_tower/ and mm_projector/ below the root config.
///
/// Flat (Feb 2024): config.json, one model.safetensors or the shards of
/// model.safetensors.index.json. The tower's tensors come from the shards
/// (model.vision_tower.vision_tower.vision_model.…) or, where they are absent, from the CLIP folder
/// that `mm_vision_tower` names (relative to the folder, or absolute; text-side tensors ignored).
/// The buffers `rotary_emb.inv_freq` and `embeddings.position_ids` of old files are ignored. A
/// plain Llama folder (no tower) and a plain CLIP folder (tower only; names get the flat prefix)
/// open as well.
///
/// Names are those of the flat layout throughout: "layers.1" of mm_projector/ is
/// "model.mm_projector.1", every tower stands below
/// "model.vision_tower.vision_tower.vision_model.".
///
/// Adapters and projectors (formats/model_source.h) are put onto their base as source.adapter says
/// (Checkpoint::changes is empty where all is merged); where source.base
/// is given and the model is whole, its weights are differences to that base. The config is the
/// folder's own where it has one and the base is not of three folders.
/// @throws Error{not_found | invalid_model} naming folder and file.
Checkpoint open_checkpoint(const ModelSource& source);

/// The name in the flat layout of a tensor of `part`: "" (the folder itself), "llm", "vision_tower"
/// or "mm_projector".
std::string flat_name(std::string_view part, std::string_view name);

}  // namespace vila::formats
