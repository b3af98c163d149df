// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "formats/weight_file.h"

namespace vila::formats {

/// adapter_config.json of PEFT, as far as merging needs it. A value.
struct LoraConfig {
  double alpha = 8;
  int64_t rank = 8;
  bool has_rank_scaling = false;           // use_rslora: alpha / sqrt(rank)
  std::string base;                        // base_model_name_or_path; may be empty
  std::map<std::string, double> alphas{};  // alpha_pattern: by the end of a module's name
  std::map<std::string, int64_t> ranks{};  // rank_pattern

  int64_t rank_of(std::string_view module) const;
  /// What B·A of a module is multiplied by.
  double scale_of(std::string_view module) const;
};

/// @throws Error{invalid_model} naming what cannot be merged (another peft_type, fan_in_fan_out,
/// biases, patterns that are no plain names); Error{not_found}.
LoraConfig read_lora_config(const std::filesystem::path& folder);

/// The name in the flat layout of what a training run with PEFT saved: "base_model.model." and
/// VILA1.5's "llm." are dropped, "mm_projector.layers.1" is "model.mm_projector.1".
std::string flat_training_name(std::string_view name);

/// Merges a LoRA or DoRA adapter into the weights it was trained on, in f32 and rounded once to
/// each weight's type:
///
///   W' = W + scale · B A                                       A [r, in], B [out, r]
///   W' = W + scale · (B A)^T     for an embedding              A [r, rows], B [width, r]
///   W' = m · V / |V|, V as above; | | over each row            DoRA, m [out]
///
/// Modules that were trained whole (modules_to_save) replace those of the base.
/// @param weights  by the names of the flat layout
/// @throws Error{invalid_model} naming file, tensor, expected and found; Error{not_found}.
/// Source: peft/tuners/lora (layer.py, dora.py) of PEFT 0.13; LoRA: arXiv 2106.09685, DoRA:
/// arXiv 2402.09353.
void merge_lora(const std::filesystem::path& folder, TensorMap& weights);

}  // namespace vila::formats
