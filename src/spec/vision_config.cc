// SPDX-License-Identifier: Apache-2.0
#include "spec/vision_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "spec/activation_names.h"
#include "spec/fields.h"

namespace vila::spec {
namespace {

namespace fs = std::filesystem;

/// What a tower's config may leave out, and the model_type that tells it.
struct TowerDefaults {
  const char* model_type;
  Tower tower;
  double layer_norm_eps;
  const char* hidden_act;
};

constexpr TowerDefaults kTowers[] = {
    {"clip", Tower::clip, 1e-5, "quick_gelu"},
    {"clip_vision_model", Tower::clip, 1e-5, "quick_gelu"},
    {"siglip", Tower::siglip, 1e-6, "gelu_pytorch_tanh"},
    {"siglip_vision_model", Tower::siglip, 1e-6, "gelu_pytorch_tanh"},
    {"intern_vit_6b", Tower::intern, 1e-6, "gelu"},
};

constexpr std::array<float, 3> kImageNetMean = {0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kImageNetStd = {0.229F, 0.224F, 0.225F};
constexpr std::array<float, 3> kHalf = {0.5F, 0.5F, 0.5F};

const TowerDefaults& tower_defaults(const Fields& fields) {
  const std::string type = fields.text("model_type", "clip");
  for (const TowerDefaults& row : kTowers) {
    if (type == row.model_type) return row;
  }
  fields.expect(false, "model_type",
                "clip, clip_vision_model, siglip, siglip_vision_model or intern_vit_6b");
  return kTowers[0];
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

}  // namespace

VisionConfig read_vision_config(const fs::path& vision_folder) {
  const fs::path path = vision_folder / "config.json";
  const Json root = read_object(path);
  const auto nested = root.find("vision_config");
  const Fields fields(nested == root.end() ? root : *nested, path.string());
  const TowerDefaults& defaults = tower_defaults(fields);
  VisionConfig vision;
  vision.tower = defaults.tower;
  vision.image_size = fields.required_integer("image_size");
  vision.patch_size = fields.required_integer("patch_size");
  vision.num_channels = fields.integer("num_channels", vision.num_channels);
  vision.hidden_size = fields.required_integer("hidden_size");
  vision.intermediate_size = fields.required_integer("intermediate_size");
  vision.num_hidden_layers = fields.required_integer("num_hidden_layers");
  vision.num_attention_heads = fields.required_integer("num_attention_heads");
  vision.layer_norm_eps = fields.number("layer_norm_eps", defaults.layer_norm_eps);
  vision.hidden_act =
      parse_activation(fields.text("hidden_act", defaults.hidden_act), path.string());
  vision.has_qk_norm = fields.flag("qk_normalization", vision.tower == Tower::intern);
  vision.has_qkv_bias = fields.flag("qkv_bias", false);
  validate(vision, path.string());
  return vision;
}

media::ProcessorConfig read_processor(const fs::path& vision_folder, const VisionConfig& vision) {
  media::ProcessorConfig processor;
  processor.crops = vision.tower == Tower::clip;
  processor.image_size = vision.image_size;
  if (vision.tower == Tower::intern) {
    processor.mean = kImageNetMean;
    processor.std = kImageNetStd;
    return processor;
  }
  const fs::path path = vision_folder / "preprocessor_config.json";
  const Json object = read_object(path);
  const Fields fields(object, path.string());
  processor.image_size = read_side(fields, processor.crops ? "crop_size" : "size");
  fields.expect(read_side(fields, "size") == processor.image_size, "size", "the crop_size");
  fields.expect(fields.integer("resample", 3) == 3, "resample", "3 (bicubic)");
  for (const char* step : {"do_resize", "do_center_crop", "do_normalize", "do_rescale"}) {
    fields.expect(fields.flag(step, true), step, "true");
  }
  if (vision.tower == Tower::siglip) processor.mean = processor.std = kHalf;
  processor.mean = fields.channels("image_mean", processor.mean);
  processor.std = fields.channels("image_std", processor.std);
  return processor;
}

}  // namespace vila::spec
