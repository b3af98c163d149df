// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "formats/lora.h"
#include "formats/model_source.h"
#include "formats/weight_file.h"

namespace vila::formats {

/// Puts what a folder holds onto the weights of its base (names of the flat layout):
///
/// lora       non_lora_trainables.bin replaces or adds whole tensors, then apply_lora();
/// projector  mm_projector.bin adds or replaces the projector.
///
/// @param place  of the low-rank part
/// @throws Error{invalid_model} naming file, tensor, expected and found; Error{not_found}.
void apply_adapter(const std::filesystem::path& folder, FolderKind kind, AdapterPlace place,
                   const AdaptedWeights& weights);

/// Turns the differences that a delta checkpoint holds into weights, by adding those of the base.
/// A table of embeddings may have more rows than the base's: those are whole already. So are
/// tensors that the base lacks (the projector, the tower).
/// @param delta  of names of the flat layout; becomes the model
/// @throws Error{invalid_model} naming the tensor when shapes differ otherwise.
/// Source: apply_delta.py of LLaVA and VILA.
void add_base(TensorMap& delta, const TensorMap& base, const std::string& source);

/// Whether weights look like those of a delta checkpoint: the final norm of a model is near or
/// above 1, that of a difference near 0.
bool looks_like_delta(const TensorMap& weights);

}  // namespace vila::formats
