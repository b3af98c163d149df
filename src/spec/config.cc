// SPDX-License-Identifier: Apache-2.0
#include "spec/config.h"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/checkpoint.h"
#include "spec/activation_names.h"
#include "spec/decoder_config.h"
#include "spec/fields.h"
#include "spec/parameters.h"
#include "spec/vision_config.h"

namespace vila::spec {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxScales = 8;

void refuse_other_decoders(const Fields& fields) {
  const std::string type = fields.text("model_type", "llava_llama");
  constexpr std::array kTypes = {"llava_llama", "llama", "mistral", "qwen2"};
  fields.expect(std::ranges::find(kTypes, type) != kTypes.end(), "model_type",
                "llava_llama, llama, mistral or qwen2");
  fields.expect(fields.text("hidden_act", "silu") == "silu", "hidden_act", "silu");
  fields.expect(!fields.flag("attention_bias", false), "attention_bias", "false");
  fields.expect(!fields.flag("use_sliding_window", false), "use_sliding_window", "false");
}

int64_t read_max_length(const Fields& fields, const DecoderConfig& llm) {
  return fields.integer("tokenizer_model_max_length",
                        fields.integer("model_max_length", llm.max_position_embeddings));
}

/// Mistral 0.1 attends to the last `sliding_window` tokens, which are all within a shorter context.
void refuse_short_window(const Fields& fields, const DecoderConfig& llm) {
  if (fields.text("model_type", "llava_llama") != "mistral") return;
  const int64_t window = fields.integer("sliding_window", 0);
  fields.expect(window == 0 || window >= read_max_length(fields, llm), "sliding_window",
                "null, or no less than the context (tokenizer_model_max_length)");
}

RopeScaling read_rope_scaling(const Fields& fields) {
  RopeScaling scaling;
  const Json* object = fields.find("rope_scaling");
  if (object == nullptr) return scaling;
  fields.expect(object->is_object(), "rope_scaling", "an object or null");
  const Fields inner(*object, fields.source() + ": \"rope_scaling\"");
  const std::string type = inner.text("rope_type", inner.text("type", "default"));
  if (type == "default") return scaling;
  fields.expect(type == "linear" || type == "llama3", "rope_scaling",
                "null or the type default, linear or llama3");
  scaling.kind = type == "linear" ? RopeScaling::Kind::linear : RopeScaling::Kind::llama3;
  scaling.factor = inner.number("factor", 1);
  scaling.low_freq_factor = inner.number("low_freq_factor", 1);
  scaling.high_freq_factor = inner.number("high_freq_factor", 4);
  scaling.original_positions = inner.integer("original_max_position_embeddings", 8192);
  return scaling;
}

DecoderConfig read_decoder(const Fields& fields) {
  refuse_other_decoders(fields);
  DecoderConfig llm;
  llm.hidden_size = fields.required_integer("hidden_size");
  llm.intermediate_size = fields.required_integer("intermediate_size");
  llm.num_hidden_layers = fields.required_integer("num_hidden_layers");
  llm.num_attention_heads = fields.required_integer("num_attention_heads");
  llm.num_key_value_heads = fields.integer("num_key_value_heads", llm.num_attention_heads);
  const int64_t per_head =
      llm.num_attention_heads > 0 ? llm.hidden_size / llm.num_attention_heads : 0;
  llm.head_dim = fields.integer("head_dim", per_head);
  llm.vocab_size = fields.required_integer("vocab_size");
  llm.max_position_embeddings =
      fields.integer("max_position_embeddings", llm.max_position_embeddings);
  llm.rms_norm_eps = fields.number("rms_norm_eps", 1e-6);
  llm.rope_theta = fields.number("rope_theta", llm.rope_theta);
  llm.tie_word_embeddings = fields.flag("tie_word_embeddings", false);
  llm.bos_token_id = fields.token_id("bos_token_id", llm.bos_token_id);
  llm.eos_token_id = fields.token_id("eos_token_id", llm.eos_token_id);
  llm.pad_token_id = fields.token_id("pad_token_id", llm.pad_token_id);
  llm.has_qkv_bias = fields.text("model_type", "llava_llama") == "qwen2";
  llm.rope_scaling = read_rope_scaling(fields);
  refuse_short_window(fields, llm);
  return llm;
}

/// VILA1.5-*-s2 says "s2", NVILA "dynamic_s2".
std::optional<MultiScale> read_multi_scale(const Fields& fields) {
  const bool is_dynamic = fields.flag("dynamic_s2", false);
  if (!is_dynamic && !fields.flag("s2", false)) return std::nullopt;
  MultiScale s2{.sides = fields.numbers("s2_scales"),
                .tile = fields.required_integer("s2_max_split_size"),
                .output = fields.integer("s2_resize_output_to_scale_idx", 0),
                .is_dynamic = is_dynamic};
  std::ranges::sort(s2.sides);
  const auto count = static_cast<int64_t>(s2.sides.size());
  fields.expect(count > 0 && count <= kMaxScales, "s2_scales", "1 to 8 sizes");
  fields.expect(s2.output >= -count && s2.output < count, "s2_resize_output_to_scale_idx",
                "the index of a scale");
  if (s2.output < 0) s2.output += count;
  return s2;
}

Json parse_encoder(const Fields& fields, const std::string& text) {
  try {
    return parse_json(text, "video_encoder");
  } catch (const Error&) {
    fields.expect(false, "video_encoder", "JSON in a string");
  }
  return {};
}

/// "{\"_target_\": \"llava.model.encoders.TSPVideoEncoder\", \"pool_sizes\": [[8, 1, 1]]}", a
/// string that holds JSON, or the object itself.
VideoPools read_video_pools(const Fields& fields) {
  const Json* value = fields.find("video_encoder");
  if (value == nullptr) return {};
  Json encoder = *value;
  if (encoder.is_string()) encoder = parse_encoder(fields, value->get<std::string>());
  fields.expect(encoder.is_object(), "video_encoder", "an object");
  const auto sizes = encoder.find("pool_sizes");
  if (sizes == encoder.end() || sizes->is_null()) return {};
  VideoPools pools;
  try {
    pools = sizes->get<VideoPools>();
  } catch (const nlohmann::json::exception&) {
    fields.expect(false, "video_encoder", "pool_sizes of three numbers each");
  }
  for (const auto& pool : pools) {
    fields.expect(std::ranges::all_of(pool, [](int64_t size) { return size > 0 && size < 4096; }),
                  "video_encoder", "pool_sizes above 0");
  }
  return pools;
}

/// "vision_resolution": pictures of another size than the tower was trained on, its positions
/// interpolated. Published checkpoints name the size that their tower has already.
/// Source: _maybe_resize_pos_embeds of llava/model/multimodal_encoder/vision_encoder.py.
void read_resolution(const Fields& fields, VilaConfig& config) {
  VisionConfig& vision = *config.vision;
  const int64_t resolution = fields.integer("vision_resolution", -1);
  if (resolution == -1 || resolution == vision.image_size) return;
  fields.expect(vision.tower == Tower::siglip && !config.s2, "vision_resolution",
                "-1 or the tower's image_size (only a SigLIP tower without S2 can be resized)");
  fields.expect(fields.text("interpolate_mode", "linear") == "linear", "interpolate_mode",
                "linear");
  fields.expect(resolution >= 2 * vision.patch_size, "vision_resolution",
                "at least two patches of the tower a side");
  vision.stored_image_size = vision.image_size;
  vision.image_size = resolution;
  config.image_processor.image_size = resolution;
}

/// What the root config says of tower, projector and pictures.
void read_multimodal(const Fields& fields, const fs::path& vision_folder, VilaConfig& config) {
  fields.expect(!fields.flag("mm_use_im_start_end", false), "mm_use_im_start_end", "false");
  config.mm_vision_select_layer = fields.integer("mm_vision_select_layer", -2);
  config.mm_vision_select_feature = fields.text("mm_vision_select_feature", "patch");
  config.image_aspect_ratio = fields.text("image_aspect_ratio", "square");
  config.s2 = read_multi_scale(fields);
  config.video_pools = read_video_pools(fields);
  config.num_video_frames = fields.integer("num_video_frames", config.num_video_frames);
  config.video_fps = fields.number("fps", 0);
  config.vision = read_vision_config(vision_folder);
  const int64_t scales = config.s2 ? static_cast<int64_t>(config.s2->sides.size()) : 1;
  config.mm_hidden_size = fields.integer("mm_hidden_size", config.vision->hidden_size * scales);
  config.image_processor = read_processor(vision_folder, *config.vision);
  media::ProcessorConfig& processor = config.image_processor;
  processor.mode = media::parse_aspect_ratio(config.image_aspect_ratio);
  processor.min_tiles = fields.integer("min_tiles", processor.min_tiles);
  processor.max_tiles = fields.integer("max_tiles", processor.max_tiles);
  config.video_max_tiles = fields.integer("video_max_tiles", config.video_max_tiles);
  read_resolution(fields, config);
  if (!config.s2) return;
  processor.sides = config.s2->sides;
  if (!config.s2->is_dynamic) processor.image_size = config.s2->sides.back();
}

/// Feb 2024: one config.json for the language model and the rest.
VilaConfig read_flat(const Fields& fields, const fs::path& vision_folder) {
  VilaConfig config;
  config.llm = read_decoder(fields);
  config.model_max_length = read_max_length(fields, config.llm);
  config.mm_vision_tower = fields.text("mm_vision_tower", "");
  config.mm_projector_type = fields.text("mm_projector_type", "linear");
  if (!config.mm_vision_tower.empty()) read_multimodal(fields, vision_folder, config);
  return config;
}

/// VILA1.5 and NVILA: a config in each folder; that of the language model counts, not the copy in
/// the root. Only NVILA's root names encoders.
VilaConfig read_three_folders(const Fields& fields, const fs::path& folder,
                              const fs::path& vision_folder) {
  VilaConfig config;
  const bool is_nvila =
      fields.find("image_encoder") != nullptr || fields.find("video_encoder") != nullptr;
  config.generation = is_nvila ? Generation::nvila : Generation::vila_1_5;

  const fs::path llm_path = formats::part_folder(folder, "llm") / "config.json";
  const Json llm_root = read_object(llm_path);
  const Fields llm_fields(llm_root, llm_path.string());
  config.llm = read_decoder(llm_fields);
  config.model_max_length = read_max_length(llm_fields, config.llm);

  const fs::path projector_path = formats::part_folder(folder, "mm_projector") / "config.json";
  const Json projector = read_object(projector_path);
  config.mm_projector_type =
      json_require<std::string>(projector, "mm_projector_type", projector_path.string());
  config.mm_vision_tower = "vision_tower";
  read_multimodal(fields, vision_folder, config);
  return config;
}

}  // namespace

const char* generation_name(Generation generation) {
  switch (generation) {
    case Generation::vila_2024_02:
      return "vila-2024-02";
    case Generation::vila_1_5:
      return "vila-1.5";
    case Generation::nvila:
      break;
  }
  return "nvila";
}

int64_t VilaConfig::vision_layers_used() const {
  if (!vision) return 0;
  return mm_vision_select_layer >= 0 ? mm_vision_select_layer
                                     : vision->num_hidden_layers + 1 + mm_vision_select_layer;
}

int64_t VilaConfig::tower_tokens() const {
  if (!vision) return 0;
  return mm_vision_select_feature == "cls_patch" ? vision->rows() : vision->patches();
}

int64_t VilaConfig::tokens_per_image() const {
  if (!vision) return 0;
  const int64_t rate = projector_downsampling(*this).rate;
  if (rate == 1) return tower_tokens();
  const int64_t side = (vision->grid() + rate - 1) / rate;
  return side * side;
}

DecoderConfig read_decoder_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  const Json root = read_object(path);
  const Fields fields(root, path.string());
  VilaConfig config;
  config.llm = read_decoder(fields);
  config.model_max_length = read_max_length(fields, config.llm);
  validate(config, path.string());
  return config.llm;
}

media::FrameChoice frame_choice(const VilaConfig& config, int64_t wanted) {
  const bool is_nvila = config.generation == Generation::nvila;
  return {.rule = is_nvila ? media::FrameRule::nvila : media::FrameRule::vila_1_5,
          .wanted = wanted > 0 ? wanted : config.num_video_frames,
          .sample_fps = is_nvila ? config.video_fps : 0};
}

VilaConfig read_config(const fs::path& folder, const fs::path& vision_folder) {
  const fs::path path = folder / "config.json";
  const Json root = read_object(path);
  const Fields fields(root, path.string());
  VilaConfig config = formats::has_three_folders(folder)
                          ? read_three_folders(fields, folder, vision_folder)
                          : read_flat(fields, vision_folder);
  validate(config, path.string());
  return config;
}

}  // namespace vila::spec
