// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "spec/config.h"
#include "tensor/tensor.h"

namespace vila::spec {

/// What a parameter belongs to: learning rates and freezing go by it.
enum class Part { llm, mm_projector, vision_tower };

/// One row of the parameter table: the only place where names and shapes of a config are written.
struct Parameter {
  std::string name;  // flat layout, e.g. "model.layers.0.self_attn.q_proj.weight"
  Shape shape;
  Part part;
  bool has_decay;    // weight decay applies: all but norms and biases
  bool is_optional;  // not needed to run (post_layernorm, layers after the selected one)
};

/// Every parameter of a config, in the order of the forward pass: tower, projector, decoder.
/// `lm_head.weight` is absent when tied. For a plain language model only the decoder's.
std::vector<Parameter> parameters(const VilaConfig& config);

/// A Linear layer of the projector and the number it has in the checkpoint.
struct ProjectorLinear {
  std::string prefix;  // "model.mm_projector.0"
  int64_t in = 0;
  int64_t out = 0;
  std::string norm{};  // prefix of the LayerNorm over its inputs; empty: none
};

/// The Linear layers of a projector type, a GELU (exact form) between any two of them.
/// @throws Error{invalid_config} listing the known types.
std::vector<ProjectorLinear> projector_linears(const VilaConfig& config);

/// How a projector first merges neighbours: cells of rate x rate features become one row, in
/// ascending order of rows (row-major) or columns. VILA1.5 was trained column-major with
/// "mlp_downsample", NVILA row-major with the same name.
struct Downsampling {
  int64_t rate = 1;
  bool is_column_major = false;
};

/// That of the config's projector; rate 1 for types without.
Downsampling projector_downsampling(const VilaConfig& config);

/// What the names of the tower's parameters begin with in the flat layout.
inline constexpr const char* kVisionPrefix = "model.vision_tower.vision_tower.vision_model.";

}  // namespace vila::spec
