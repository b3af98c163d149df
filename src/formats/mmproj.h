// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "formats/gguf.h"
#include "formats/model_package.h"

namespace vila::formats {

/// Puts the seeing half of a LLaVA model, llama.cpp's "mmproj" file (architecture "clip", projector
/// "mlp"), beside the text model in `package`: the tower becomes the part "vision_tower" with its
/// config.json and preprocessor_config.json, the projector goes to the text model's part, and
/// config.json says how both are used. Matrices of blocks stay packed.
///
/// The tower runs up to the block that "clip.vision.feature_layer" names, else through all that are
/// stored: the converter leaves out the last one, which LLaVA does not use. (Older
/// llama.cpp ran one fewer.) In files whose ffn_up and ffn_down are swapped, as the first
/// converters wrote them, they are taken as what their shapes say.
/// @throws Error{invalid_model} naming file and key or tensor when it is another kind of mmproj, or
/// one of another text model.
/// Source: tools/mtmd/clip-impl.h and legacy-models/convert_image_encoder_to_gguf.py of
/// ggml-org/llama.cpp.
void attach_mmproj(const GgufFile& file, ModelPackage& package);

/// The mmproj of a GGUF text model, found beside it: mmproj-NAME.gguf, else the only other .gguf
/// file with "mmproj" in its name whose rows are as wide as those of the text model. None when
/// there are several.
std::optional<std::filesystem::path> find_mmproj(const GgufFile& model);

/// Where the mmproj of a text model is written when nothing else is said: mmproj-NAME.gguf beside
/// it.
std::filesystem::path default_mmproj(const std::filesystem::path& model);

/// Whether a flat name is one of a tower or a projector.
bool is_seeing_tensor(std::string_view name);

/// Whether a package holds a tower or a projector.
bool sees(const ModelPackage& package);

/// Writes tower and projector as llama.cpp's mmproj: patch embedding, positions and vectors as f32,
/// matrices of f16 and bf16 as they are. The final norm of the tower, which no VILA applies, is
/// left out, or llama.cpp would apply it. @pre nothing is quantised
/// @throws Error{invalid_model} when the model is not of CLIP or SigLIP with mlp2x_gelu, one
/// picture to one set of rows: all that llama.cpp's "mlp" computes; Error{insufficient_disk |
/// failed}.
void export_mmproj(const std::filesystem::path& path, const ModelPackage& package);

}  // namespace vila::formats
