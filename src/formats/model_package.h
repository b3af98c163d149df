// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "formats/ggml_blocks.h"
#include "formats/model_source.h"
#include "formats/quantised_matrix.h"
#include "formats/small_files.h"
#include "formats/weight_file.h"

namespace vila::formats {

/// A whole model taken out of its container, as the folder that it is or would be: weights by the
/// sub-folder they stand in ("" for the folder itself; "llm", "vision_tower", …) and all small
/// files (configs, tokenizers, licences) by their path in it. A value; tensors keep mapped files
/// alive.
struct ModelPackage {
  std::map<std::string, TensorMap> parts;
  std::map<std::string, QuantisedMap> quantised;  // of the parts; a subset of their keys
  SmallFiles files;
};

/// Whether a file holds a whole model: .vila or GGUF, told by content. False for what is no file.
bool is_package_file(const std::filesystem::path& path);

/// Opens a checkpoint folder of any layout, a .vila file or a GGUF file (told by content), or one
/// weight file (without small files). A tower that config.json names outside the folder comes along
/// as "vision_tower", the mmproj of a GGUF text model
/// (source.mmproj) likewise. Adapters, projectors and, where source.base is given, deltas come
/// merged into their base, in the base's layout.
/// @throws Error{not_found | invalid_model} naming what is wrong.
ModelPackage open_package(const ModelSource& source);

/// Makes floats (f32) of every quantised matrix, for containers that hold nothing else.
/// @throws Error{invalid_model}
void dequantise_package(ModelPackage& package);

/// Converts all float tensors to f32, f16 or bf16; quantised matrices stay.
/// @throws Error{invalid_model} naming a tensor with a finite value that f16 cannot hold.
void convert_package(ModelPackage& package, DType dtype);

/// Writes a folder with model.safetensors in each part. It appears under its name only when
/// complete and on disk. @pre nothing is quantised (dequantise_package())
/// @throws Error{invalid_argument} when something stands there; Error{insufficient_disk | failed}.
void write_folder(const std::filesystem::path& folder, const ModelPackage& package);

/// Where and how a package is written as GGUF.
struct GgufTarget {
  std::filesystem::path text;        // the language model
  std::filesystem::path mmproj{};    // tower and projector; empty: default_mmproj()
  std::optional<GgmlType> blocks{};  // that the language model's matrices are rounded to
};

/// Writes the language model as GGUF (formats/gguf_text_model.h), and before it, where the model
/// sees, its tower and projector (formats/mmproj.h): a text model that is there is complete.
/// @pre nothing is quantised
/// @throws Error{invalid_model} as export_gguf() and export_mmproj().
void write_gguf_package(const GgufTarget& target, const ModelPackage& package);

}  // namespace vila::formats
