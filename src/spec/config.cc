// SPDX-License-Identifier: Apache-2.0
#include "spec/config.h"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "spec/activation_names.h"

namespace vila::spec {
namespace {

namespace fs = std::filesystem;

/// Members of one JSON object, with the file's name for messages.
class Fields {
 public:
  Fields(const Json& object, std::string source) : object_(object), source_(std::move(source)) {}

  int64_t integer(const char* key, int64_t fallback) const {
    return json_get<int64_t>(object_, key, fallback, source_);
  }

  int64_t required_integer(const char* key) const {
    return json_require<int64_t>(object_, key, source_);
  }

  double number(const char* key, double fallback) const {
    return json_get<double>(object_, key, fallback, source_);
  }

  bool flag(const char* key, bool fallback) const {
    return json_get<bool>(object_, key, fallback, source_);
  }

  std::string text(const char* key, const std::string& fallback) const {
    return json_get<std::string>(object_, key, fallback, source_);
  }

  const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  /// Refuses a setting that changes the computation and that VILA never has.
  void expect(bool holds, const char* key, const char* expected) const {
    if (holds) return;
    fail(ErrorCode::invalid_config, "{}: \"{}\": expected {}, found {}", source_, key, expected,
         find(key)->dump().substr(0, 80));
  }

  const std::string& source() const { return source_; }

 private:
  const Json& object_;
  std::string source_;
};

Json read_object(const fs::path& path) {
  Json object = read_json_file(path, ErrorCode::invalid_config);
  if (!object.is_object()) {
    fail(ErrorCode::invalid_config, "{}: expected a JSON object, found {}", path.string(),
         object.type_name());
  }
  return object;
}

void refuse_other_decoders(const Fields& fields) {
  const std::string type = fields.text("model_type", "llava_llama");
  fields.expect(type == "llava_llama" || type == "llama", "model_type", "llava_llama or llama");
  fields.expect(fields.text("hidden_act", "silu") == "silu", "hidden_act", "silu");
  fields.expect(fields.find("rope_scaling") == nullptr, "rope_scaling", "null");
  fields.expect(!fields.flag("attention_bias", false), "attention_bias", "false");
  fields.expect(!fields.flag("mm_use_im_start_end", false), "mm_use_im_start_end", "false");
}

DecoderConfig read_decoder(const Fields& fields) {
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
  llm.bos_token_id = fields.integer("bos_token_id", llm.bos_token_id);
  llm.eos_token_id = fields.integer("eos_token_id", llm.eos_token_id);
  llm.pad_token_id = fields.integer("pad_token_id", llm.pad_token_id);
  return llm;
}

/// "size": 336, {"shortest_edge": 336} or {"height": 336, "width": 336}.
int64_t read_side(const Fields& fields, const char* key) {
  const Json* value = fields.find(key);
  if (value == nullptr || !value->is_object()) return fields.required_integer(key);
  const Fields sides(*value, fields.source() + ": \"" + key + "\"");
  if (sides.find("shortest_edge") != nullptr) return sides.required_integer("shortest_edge");
  const int64_t height = sides.required_integer("height");
  fields.expect(height == sides.required_integer("width"), key, "a square");
  return height;
}

std::array<float, 3> read_channels(const Fields& fields, const char* key,
                                   const std::array<float, 3>& fallback) {
  const Json* value = fields.find(key);
  if (value == nullptr) return fallback;
  fields.expect(value->is_array() && value->size() == 3, key, "three numbers");
  std::array<float, 3> channels{};
  for (size_t i = 0; i < channels.size(); ++i) {
    fields.expect((*value)[i].is_number(), key, "three numbers");
    channels[i] = (*value)[i].get<float>();
  }
  return channels;
}

media::ProcessorConfig read_processor(const fs::path& path, const std::string& aspect_ratio) {
  const Json object = read_object(path);
  const Fields fields(object, path.string());
  media::ProcessorConfig processor;
  processor.image_size = read_side(fields, "crop_size");
  fields.expect(read_side(fields, "size") == processor.image_size, "size", "the crop_size");
  fields.expect(fields.integer("resample", 3) == 3, "resample", "3 (bicubic)");
  for (const char* step : {"do_resize", "do_center_crop", "do_normalize", "do_rescale"}) {
    fields.expect(fields.flag(step, true), step, "true");
  }
  processor.mean = read_channels(fields, "image_mean", processor.mean);
  processor.std = read_channels(fields, "image_std", processor.std);
  processor.mode = media::parse_aspect_ratio(aspect_ratio);
  return processor;
}

}  // namespace

int64_t VilaConfig::vision_layers_used() const {
  if (!vision) return 0;
  return mm_vision_select_layer >= 0 ? mm_vision_select_layer
                                     : vision->num_hidden_layers + 1 + mm_vision_select_layer;
}

int64_t VilaConfig::tokens_per_image() const {
  if (!vision) return 0;
  return vision->patches() + (mm_vision_select_feature == "cls_patch" ? 1 : 0);
}

VisionConfig read_vision_config(const fs::path& vision_folder) {
  const fs::path path = vision_folder / "config.json";
  const Json root = read_object(path);
  const auto nested = root.find("vision_config");
  const Fields fields(nested == root.end() ? root : *nested, path.string());
  VisionConfig vision;
  vision.image_size = fields.required_integer("image_size");
  vision.patch_size = fields.required_integer("patch_size");
  vision.num_channels = fields.integer("num_channels", vision.num_channels);
  vision.hidden_size = fields.required_integer("hidden_size");
  vision.intermediate_size = fields.required_integer("intermediate_size");
  vision.num_hidden_layers = fields.required_integer("num_hidden_layers");
  vision.num_attention_heads = fields.required_integer("num_attention_heads");
  vision.layer_norm_eps = fields.number("layer_norm_eps", vision.layer_norm_eps);
  vision.hidden_act = parse_activation(fields.text("hidden_act", "quick_gelu"), path.string());
  validate(vision, path.string());
  return vision;
}

VilaConfig read_config(const fs::path& folder, const fs::path& vision_folder) {
  const fs::path path = folder / "config.json";
  const Json root = read_object(path);
  const Fields fields(root, path.string());
  refuse_other_decoders(fields);
  VilaConfig config;
  config.llm = read_decoder(fields);
  config.mm_vision_tower = fields.text("mm_vision_tower", "");
  config.mm_projector_type = fields.text("mm_projector_type", "linear");
  config.mm_vision_select_layer = fields.integer("mm_vision_select_layer", -2);
  config.mm_vision_select_feature = fields.text("mm_vision_select_feature", "patch");
  config.image_aspect_ratio = fields.text("image_aspect_ratio", "square");
  config.model_max_length =
      fields.integer("tokenizer_model_max_length", config.llm.max_position_embeddings);
  if (!config.mm_vision_tower.empty()) {
    config.vision = read_vision_config(vision_folder);
    config.mm_hidden_size = fields.integer("mm_hidden_size", config.vision->hidden_size);
    config.image_processor =
        read_processor(vision_folder / "preprocessor_config.json", config.image_aspect_ratio);
  }
  validate(config, path.string());
  return config;
}

}  // namespace vila::spec
