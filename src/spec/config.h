// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "media/image_processor.h"

namespace vila::spec {

/// Activations that a `hidden_act` of transformers may name.
enum class Activation { quick_gelu, gelu, gelu_tanh, silu };

/// vision_config of a CLIP folder's config.json.
struct VisionConfig {
  int64_t image_size = 336;
  int64_t patch_size = 14;
  int64_t num_channels = 3;
  int64_t hidden_size = 1024;
  int64_t intermediate_size = 4096;
  int64_t num_hidden_layers = 24;
  int64_t num_attention_heads = 16;
  double layer_norm_eps = 1e-5;
  Activation hidden_act = Activation::quick_gelu;

  int64_t grid() const { return image_size / patch_size; }  // patches per side

  int64_t patches() const { return grid() * grid(); }  // without the class token

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
};

/// The Llama fields of config.json.
struct DecoderConfig {
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 11008;
  int64_t num_hidden_layers = 32;
  int64_t num_attention_heads = 32;
  int64_t num_key_value_heads = 32;
  int64_t head_dim = 128;
  int64_t vocab_size = 32000;
  int64_t max_position_embeddings = 4096;
  double rms_norm_eps = 1e-5;
  double rope_theta = 1e4;
  bool tie_word_embeddings = false;
  int64_t bos_token_id = 1;
  int64_t eos_token_id = 2;
  int64_t pad_token_id = 0;
};

/// A whole VILA of the Feb-2024 flat layout; a plain language model when `vision` is empty.
struct VilaConfig {
  DecoderConfig llm;
  std::optional<VisionConfig> vision;
  std::string mm_vision_tower;
  std::string mm_projector_type = "linear";
  int64_t mm_hidden_size = 1024;
  int64_t mm_vision_select_layer = -2;
  std::string mm_vision_select_feature = "patch";
  std::string image_aspect_ratio = "square";
  int64_t model_max_length = 4096;  // tokenizer_model_max_length
  media::ProcessorConfig image_processor;

  bool has_vision() const { return vision.has_value(); }

  /// Encoder layers that must run: hidden_states[select_layer] counts the embedding output as 0.
  int64_t vision_layers_used() const;
  /// Rows that one picture takes in the language model: patches, plus 1 for "cls_patch".
  int64_t tokens_per_image() const;
};

/// Reads config.json of `folder` and, where it names a tower, the config.json and
/// preprocessor_config.json of `vision_folder`; checks that all fit together.
/// @throws Error{invalid_config} naming file, key, expected and found; Error{not_found}.
VilaConfig read_config(const std::filesystem::path& folder,
                       const std::filesystem::path& vision_folder);

/// The tower alone: config.json of a CLIP folder, whose fields stand in "vision_config" or at the
/// top.
/// @throws Error{invalid_config | not_found}
VisionConfig read_vision_config(const std::filesystem::path& vision_folder);

/// Throws Error{invalid_config} when sizes contradict each other (heads, patches, projector, …).
/// Every size is bounded, so that nothing computed from a valid config overflows.
void validate(const VilaConfig& config, const std::string& source);
void validate(const VisionConfig& config, const std::string& source);

/// The files of a flat checkpoint: content of config.json, and of the tower's config.json and
/// preprocessor_config.json (in the folder that mm_vision_tower names).
Json config_json(const VilaConfig& config);
Json vision_config_json(const VisionConfig& config);
Json preprocessor_json(const media::ProcessorConfig& config);

}  // namespace vila::spec
