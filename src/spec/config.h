// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "media/image_processor.h"
#include "media/video.h"

namespace vila::spec {

/// Activations that a `hidden_act` of transformers may name.
enum class Activation { quick_gelu, gelu, gelu_tanh, silu };

/// The vision towers there are (docs/model.md, section 2).
enum class Tower { clip, siglip, intern };

/// config.json of a tower's folder; of a CLIP folder its vision_config.
struct VisionConfig {
  int64_t image_size = 336;
  int64_t stored_image_size = 0;  // that the stored table of positions is for; 0: image_size
  int64_t patch_size = 14;
  int64_t num_channels = 3;
  int64_t hidden_size = 1024;
  int64_t intermediate_size = 4096;
  int64_t num_hidden_layers = 24;
  int64_t num_attention_heads = 16;
  double layer_norm_eps = 1e-5;
  Activation hidden_act = Activation::quick_gelu;
  Tower tower = Tower::clip;
  bool has_qk_norm = false;   // InternViT: queries and keys normalised over the whole width
  bool has_qkv_bias = false;  // InternViT only; the others always have biases

  int64_t grid() const { return image_size / patch_size; }  // patches per side

  int64_t patches() const { return grid() * grid(); }  // without the class token

  bool has_class_token() const { return tower != Tower::siglip; }

  int64_t rows() const { return patches() + (has_class_token() ? 1 : 0); }  // of a picture

  int64_t head_dim() const { return hidden_size / num_attention_heads; }

  /// Rows of the table of positions as it is stored; rows() of them are made of it when loading.
  int64_t stored_rows() const {
    const int64_t side = (stored_image_size > 0 ? stored_image_size : image_size) / patch_size;
    return side * side + (has_class_token() ? 1 : 0);
  }
};

/// How the angles of rotary positions are stretched for contexts beyond those of the pre-training.
struct RopeScaling {
  enum class Kind { none, linear, llama3 };
  Kind kind = Kind::none;
  double factor = 1;
  double low_freq_factor = 1;  // llama3 only, as are the following
  double high_freq_factor = 4;
  int64_t original_positions = 8192;
};

/// The fields of a Llama, Mistral or Qwen2 config.json.
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
  bool has_qkv_bias = false;  // Qwen2
  RopeScaling rope_scaling{};
};

/// The three generations of VILA: they differ in token order, prompt and what follows a picture.
enum class Generation { vila_2024_02, vila_1_5, nvila };

/// "vila-2024-02", "vila-1.5" or "nvila".
const char* generation_name(Generation generation);

/// S2: the tower sees a picture at several sizes, cut into tiles; features are stacked by channel.
struct MultiScale {
  std::vector<int64_t> sides;  // of the whole picture, smallest first
  int64_t tile = 0;            // s2_max_split_size
  int64_t output = 0;          // index of the side whose map all others are pooled to
  bool is_dynamic = false;     // the largest is tiled by the shape of the picture
};

/// Windows (time, height, width) over which the features of a video are averaged, one after the
/// other; none for the basic video encoder.
using VideoPools = std::vector<std::array<int64_t, 3>>;

/// A whole VILA; a plain language model when `vision` is empty.
struct VilaConfig {
  Generation generation = Generation::vila_2024_02;
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
  std::optional<MultiScale> s2;
  VideoPools video_pools;
  int64_t num_video_frames = 8;
  int64_t video_max_tiles = 1;  // of a frame of a video, where pictures are tiled
  double video_fps = 0;  // "fps": frames a second that NVILA takes of a video; 0: num_video_frames

  bool has_vision() const { return vision.has_value(); }

  /// Whether each frame of a video behind a video token is cut into tiles, as a single picture is.
  bool tiles_frames() const { return video_max_tiles > 1 && image_processor.is_tiled(); }

  /// Encoder layers that must run: hidden_states[select_layer] counts the embedding output as 0.
  int64_t vision_layers_used() const;
  /// Rows of a picture or tile that the tower hands on: patches, and the class token for
  /// "cls_patch".
  int64_t tower_tokens() const;
  /// Rows that one picture (or tile) takes in the language model: those of the tower, fewer after a
  /// projector that merges neighbours. NVILA's newline is not counted.
  int64_t tokens_per_image() const;
};

/// Reads the configuration of a checkpoint of either layout: config.json of `folder` (its root, as
/// formats::Checkpoint::folder says) and, where it has a tower, the config.json and
/// preprocessor_config.json of `vision_folder`; checks that all fit together.
/// @throws Error{invalid_config} naming file, key, expected and found; Error{not_found}.
VilaConfig read_config(const std::filesystem::path& folder,
                       const std::filesystem::path& vision_folder);

/// The frames that this generation shows of a video: `wanted` of them, or, where that is 0, as many
/// as the config says; at the config's rate, if it names one, no more than so many.
media::FrameChoice frame_choice(const VilaConfig& config, int64_t wanted = 0);

/// The tower alone: config.json of its folder, whose fields stand in "vision_config" (CLIP) or at
/// the top.
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
