// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "formats/lora_config.h"
#include "formats/model_source.h"
#include "formats/quantised_matrix.h"
#include "formats/weight_file.h"

namespace vila::formats {

/// The name in the flat layout of what a training run with PEFT saved: "base_model.model." and
/// VILA1.5's "llm." are dropped, "mm_projector.layers.1" is "model.mm_projector.1".
std::string flat_training_name(std::string_view name);

/// A change that stays beside the matrix W [out, in] that it changes, which may be packed:
///
///   y = W x + bias + B (A x) + (g - 1) W x
///
/// For a table of embeddings row i of A, not a product with it, stands for A x. A value.
struct LowRankChange {
  Tensor a;     // f32 [r, in]; of a table [rows, r]
  Tensor b;     // f32 [out, r], the adapter's scale (and g) in it
  Tensor gain;  // f32 [out]: g - 1, with g = m / |V| of DoRA; undefined: all 0

  int64_t bytes() const;
};

/// Changes by the name of the module ("model.layers.0.self_attn.q_proj").
using ChangeMap = std::map<std::string, LowRankChange, std::less<>>;

/// The weights that an adapter changes, by the names of the flat layout.
struct AdaptedWeights {
  TensorMap& tensors;
  QuantisedMap& quantised;
  ChangeMap& changes;
};

/// Puts a tensor that was trained whole in the place of that of the base, or beside those there
/// are.
/// @param source  its file, for messages
/// @throws Error{invalid_model} when the base's has another shape.
void replace_whole(const std::string& name, const Tensor& tensor, const std::string& source,
                   const AdaptedWeights& weights);

/// Applies a LoRA or DoRA adapter to the weights it was trained on. What is merged is computed in
/// f32 and rounded once to each weight's type:
///
///   W' = W + scale · B A                                       A [r, in], B [out, r]
///   W' = W + scale · (B A)^T     for an embedding              A [r, rows], B [width, r]
///   W' = m · V / |V|, V as above; | | over each row            DoRA, m [out]
///
/// Modules that were trained whole (modules_to_save) replace those of the base. An adapter of
/// lm_head may stand on a base whose output matrix is its table of embeddings; it is kept beside
/// that.
/// @throws Error{invalid_model} naming file, tensor, expected and found; Error{not_found}.
/// Source: peft/tuners/lora (layer.py, dora.py) of PEFT 0.13; LoRA: arXiv 2106.09685, DoRA:
/// arXiv 2402.09353.
void apply_lora(const std::filesystem::path& folder, AdapterPlace place,
                const AdaptedWeights& weights);

}  // namespace vila::formats
