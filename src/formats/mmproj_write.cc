// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/mmproj.h"
#include "formats/mmproj_names.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFlatTower = "model.vision_tower.vision_tower.";
constexpr std::string_view kFlatProjector = "model.mm_projector.";
constexpr const char* kTowerPart = "vision_tower";
constexpr int64_t kFileTypeF32 = 0;
constexpr int64_t kFileTypeF16 = 1;

Json json_of(const ModelPackage& package, const std::string& name) {
  const auto found = package.files.find(name);
  return found == package.files.end() ? Json::object() : parse_json(found->second, name);
}

/// The part that holds the tower: as config.json names it where that is a folder of the package.
std::string tower_part(const ModelPackage& package) {
  const auto name =
      json_get<std::string>(json_of(package, "config.json"), "mm_vision_tower", "", "config.json");
  const std::string folder = fs::path(name).lexically_normal().string();
  return package.files.contains(folder + "/config.json") ? folder : kTowerPart;
}

/// What a CLIP or SigLIP folder holds beside the tower that VILA runs: the text side, the
/// projection to a common space, the final norm and SigLIP's pooling head.
bool is_unused(std::string_view name) {
  constexpr std::array<std::string_view, 6> kBeginnings = {
      "text_model.",        "logit_",
      "text_projection.",   "visual_projection",
      "vision_model.head.", "vision_model.post_layernorm."};
  return std::ranges::any_of(kBeginnings,
                             [&](auto beginning) { return name.starts_with(beginning); });
}

/// Tower and projector by the names of mmproj_names(): what of a part is neither is left out.
TensorMap seeing_tensors(const ModelPackage& package) {
  TensorMap tensors;
  const std::string tower = tower_part(package);
  for (const auto& [part, content] : package.parts) {
    for (const auto& [name, tensor] : content) {
      std::string flat = flat_name(part == tower ? kTowerPart : part, name);
      if (flat.starts_with(kFlatTower)) flat.erase(0, kFlatTower.size());
      const bool is_seeing = flat.starts_with("vision_model.") || flat.starts_with(kFlatProjector);
      if (is_seeing && !is_unused(part == tower ? std::string_view(name) : flat))
        tensors.emplace(flat, tensor);
    }
  }
  return tensors;
}

/// What the configs say of the seeing half, each with how messages name it.
struct SeeingConfig {
  explicit SeeingConfig(const ModelPackage& package)
      : root(json_of(package, "config.json")),
        tower(json_of(package, tower_part(package) + "/config.json")),
        processor(json_of(package, tower_part(package) + "/preprocessor_config.json")),
        projector(json_of(package, "mm_projector/config.json")) {
    if (tower.contains("vision_config")) tower = Json(tower.at("vision_config"));
  }

  int64_t count(const char* key) const { return json_require<int64_t>(tower, key, kTowerPart); }

  int64_t blocks() const { return count("num_hidden_layers"); }

  /// Blocks that run before the projector gets their rows.
  int64_t feature_layer() const {
    const auto selected = json_get<int64_t>(root, "mm_vision_select_layer", -2, "config.json");
    return selected >= 0 ? selected : blocks() + 1 + selected;
  }

  std::string text(const Json& object, const char* key, const char* fallback) const {
    return json_get<std::string>(object, key, fallback, "config.json");
  }

  Json root;
  Json tower;
  Json processor;
  Json projector;
};

void expect(bool is_right, const char* what, const std::string& found) {
  if (is_right) return;
  fail(ErrorCode::invalid_model,
       "mmproj: llama.cpp's \"mlp\" needs {}, found {}; convert to .vila instead, or the language "
       "model's own folder to GGUF",
       what, found);
}

/// Refuses what llama.cpp would compute otherwise than VILA does.
void check(const SeeingConfig& config) {
  const std::string in_root = config.text(config.root, "mm_projector_type", "linear");
  const std::string type = config.text(config.projector, "mm_projector_type", in_root.c_str());
  expect(type == "mlp2x_gelu", "the projector mlp2x_gelu", type);
  const std::string tower = config.text(config.tower, "model_type", "clip");
  expect(tower.starts_with("clip") || tower.starts_with("siglip"), "a CLIP or SigLIP tower", tower);
  const bool is_clip = tower.starts_with("clip");
  const std::string feature = config.text(config.root, "mm_vision_select_feature", "patch");
  expect(!is_clip || feature == "patch", "the features without the class token (\"patch\")",
         feature);
  const std::string aspect = config.text(config.root, "image_aspect_ratio", "square");
  expect(!aspect.starts_with("dynamic") && !json_get<bool>(config.root, "s2", false, "config.json"),
         "one picture to be one tile", aspect.starts_with("dynamic") ? aspect : "S2");
}

/// Three numbers of preprocessor_config.json, or `fallback` where it is silent.
std::vector<double> channels(const Json& processor, const char* key,
                             const std::vector<double>& fallback) {
  const auto found = processor.is_object() ? processor.find(key) : processor.end();
  if (!processor.is_object() || found == processor.end()) return fallback;
  const bool is_list = found->is_array() && std::ranges::all_of(*found, [](const Json& value) {
                         return value.is_number();
                       });
  if (is_list) return found->get<std::vector<double>>();
  fail(ErrorCode::invalid_model, "preprocessor_config.json: \"{}\": expected numbers, found {}",
       key, found->dump());
}

GgufMetadata metadata_of(const SeeingConfig& config, int64_t width) {
  const bool is_clip = config.text(config.tower, "model_type", "clip").starts_with("clip");
  const std::string act =
      config.text(config.tower, "hidden_act", is_clip ? "quick_gelu" : "gelu_pytorch_tanh");
  GgufMetadata metadata = {
      {"general.architecture", std::string("clip")},
      {"general.type", std::string("mmproj")},
      {"general.name", std::string("vila export")},
      {"clip.has_text_encoder", false},
      {"clip.has_vision_encoder", true},
      {"clip.has_llava_projector", true},
      {"clip.projector_type", std::string("mlp")},
      {"clip.use_gelu", act != "quick_gelu"},
      {"clip.use_silu", false},
      {"clip.vision.image_size", config.count("image_size")},
      {"clip.vision.patch_size", config.count("patch_size")},
      {"clip.vision.embedding_length", config.count("hidden_size")},
      {"clip.vision.feed_forward_length", config.count("intermediate_size")},
      {"clip.vision.projection_dim", width},
      {"clip.vision.attention.head_count", config.count("num_attention_heads")},
      {"clip.vision.attention.layer_norm_epsilon",
       json_get<double>(config.tower, "layer_norm_eps", is_clip ? 1e-5 : 1e-6, kTowerPart)},
      {"clip.vision.block_count", config.blocks()},
      {"clip.vision.feature_layer", std::vector<int64_t>{config.feature_layer()}},
      {"clip.vision.image_aspect_ratio", config.text(config.root, "image_aspect_ratio", "square")}};
  // What transformers takes where preprocessor_config.json is silent.
  const std::vector<double> mean =
      is_clip ? std::vector{0.48145466, 0.4578275, 0.40821073} : std::vector{0.5, 0.5, 0.5};
  const std::vector<double> std =
      is_clip ? std::vector{0.26862954, 0.26130258, 0.27577711} : std::vector{0.5, 0.5, 0.5};
  metadata["clip.vision.image_mean"] = channels(config.processor, "image_mean", mean);
  metadata["clip.vision.image_std"] = channels(config.processor, "image_std", std);
  return metadata;
}

/// llama.cpp adds and gathers vectors and positions as f32, and knows convolutions of f16 and f32.
Tensor stored_form(const Tensor& tensor, const std::string& name) {
  const bool is_matrix = tensor.rank() == 2 && name.find("position_embedding") == name.npos;
  return is_matrix ? tensor : tensor.to(DType::f32);
}

int64_t file_type(std::span<const GgufRow> rows) {
  const bool is_f16 = std::ranges::any_of(
      rows, [](const GgufRow& row) { return row.tensor.dtype() == DType::f16; });
  return is_f16 ? kFileTypeF16 : kFileTypeF32;
}

}  // namespace

bool is_seeing_tensor(std::string_view name) {
  return name.starts_with(kFlatTower) || name.starts_with(kFlatProjector);
}

bool sees(const ModelPackage& package) {
  return !seeing_tensors(package).empty();
}

void export_mmproj(const fs::path& path, const ModelPackage& package) {
  const SeeingConfig config(package);
  check(config);
  TensorMap tensors = seeing_tensors(package);
  expect(config.blocks() <= std::ssize(tensors), "as many blocks as config.json says",
         fmt::format("{} tensors", tensors.size()));
  std::vector<GgufRow> rows;
  for (const auto& [gguf_name, name] : mmproj_names(config.blocks(), false)) {
    const auto found = tensors.extract(name);
    if (!found.empty()) rows.push_back({gguf_name, stored_form(found.mapped(), name)});
  }
  if (!tensors.empty()) {
    fail(ErrorCode::invalid_model,
         "mmproj: expected the tensors of CLIP or SigLIP and of mlp2x_gelu, found \"{}\"",
         tensors.begin()->first);
  }
  const auto last = std::ranges::find(rows, "mm.2.weight", &GgufRow::name);
  if (last == rows.end() || last->tensor.rank() != 2) {
    fail(ErrorCode::invalid_model, "mmproj: expected a matrix \"{}2.weight\", found none",
         kFlatProjector);
  }
  GgufMetadata metadata = metadata_of(config, last->tensor.dim(0));
  metadata["general.file_type"] = file_type(rows);
  write_gguf(path, metadata, rows);
}

}  // namespace vila::formats
