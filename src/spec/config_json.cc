// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "spec/activation_names.h"
#include "spec/config.h"

namespace vila::spec {
namespace {

Json decoder_json(const DecoderConfig& llm) {
  return {{"hidden_act", "silu"},
          {"hidden_size", llm.hidden_size},
          {"intermediate_size", llm.intermediate_size},
          {"num_hidden_layers", llm.num_hidden_layers},
          {"num_attention_heads", llm.num_attention_heads},
          {"num_key_value_heads", llm.num_key_value_heads},
          {"head_dim", llm.head_dim},
          {"vocab_size", llm.vocab_size},
          {"max_position_embeddings", llm.max_position_embeddings},
          {"rms_norm_eps", llm.rms_norm_eps},
          {"rope_theta", llm.rope_theta},
          {"rope_scaling", nullptr},
          {"tie_word_embeddings", llm.tie_word_embeddings},
          {"bos_token_id", llm.bos_token_id},
          {"eos_token_id", llm.eos_token_id},
          {"pad_token_id", llm.pad_token_id}};
}

const char* tower_type(Tower tower) {
  switch (tower) {
    case Tower::clip:
      return "clip_vision_model";
    case Tower::siglip:
      return "siglip_vision_model";
    case Tower::intern:
      break;
  }
  return "intern_vit_6b";
}

Json channels_json(const std::array<float, 3>& channels) {
  Json array = Json::array();
  for (const float value : channels)
    array.push_back(value);
  return array;
}

}  // namespace

Json config_json(const VilaConfig& config) {
  Json json = decoder_json(config.llm);
  const bool is_vila = config.has_vision();
  json["architectures"] = {is_vila ? "LlavaLlamaForCausalLM" : "LlamaForCausalLM"};
  json["model_type"] = is_vila ? "llava_llama" : config.llm.has_qkv_bias ? "qwen2" : "llama";
  json["tokenizer_model_max_length"] = config.model_max_length;
  json["tokenizer_padding_side"] = "right";
  if (!is_vila) return json;
  json["mm_vision_tower"] = config.mm_vision_tower;
  json["mm_hidden_size"] = config.mm_hidden_size;
  json["mm_projector_type"] = config.mm_projector_type;
  json["mm_vision_select_layer"] = config.mm_vision_select_layer;
  json["mm_vision_select_feature"] = config.mm_vision_select_feature;
  json["mm_use_im_start_end"] = false;
  json["mm_use_im_patch_token"] = false;
  json["image_aspect_ratio"] = config.image_aspect_ratio;
  return json;
}

Json vision_config_json(const VisionConfig& config) {
  const Json vision = {{"model_type", tower_type(config.tower)},
                       {"image_size", config.image_size},
                       {"patch_size", config.patch_size},
                       {"num_channels", config.num_channels},
                       {"hidden_size", config.hidden_size},
                       {"intermediate_size", config.intermediate_size},
                       {"num_hidden_layers", config.num_hidden_layers},
                       {"num_attention_heads", config.num_attention_heads},
                       {"layer_norm_eps", config.layer_norm_eps},
                       {"hidden_act", activation_name(config.hidden_act)}};
  if (config.tower != Tower::clip) return vision;
  return {
      {"architectures", {"CLIPVisionModel"}}, {"model_type", "clip"}, {"vision_config", vision}};
}

Json preprocessor_json(const media::ProcessorConfig& config) {
  return {{"crop_size", config.image_size},
          {"size", config.image_size},
          {"resample", 3},
          {"do_resize", true},
          {"do_center_crop", true},
          {"do_normalize", true},
          {"feature_extractor_type", "CLIPFeatureExtractor"},
          {"image_mean", channels_json(config.mean)},
          {"image_std", channels_json(config.std)}};
}

}  // namespace vila::spec
