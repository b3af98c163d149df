// SPDX-License-Identifier: Apache-2.0
#include "formats/mmproj.h"

#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "formats/gguf_config.h"
#include "formats/gguf_matrix.h"
#include "formats/mmproj_names.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTowerPart = "vision_tower";

template <typename... Args>
[[noreturn]] void reject(const GgufFile& file, fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorCode::invalid_model, "{}: {}", file.source(),
       fmt::format(format, std::forward<Args>(args)...));
}

/// A string of the metadata that must be the one that LLaVA has; absent, it is.
void expect_text(const GgufFile& file, const char* key, const std::string& expected) {
  const auto found = gguf_get<std::string>(file, key, expected);
  if (found == expected) return;
  reject(file,
         "\"{}\": expected \"{}\" (a CLIP or SigLIP tower with the projector of LLaVA-1.5), found "
         "\"{}\"",
         key, expected, replace_invalid_utf8(found));
}

void expect_flag(const GgufFile& file, const char* key, bool expected) {
  if (gguf_get<bool>(file, key, expected) == expected) return;
  reject(file, "\"{}\": expected {}, found {}", key, expected, !expected);
}

/// Refuses what is an mmproj of another kind.
void check_kind(const GgufFile& file) {
  if (gguf_require<std::string>(file, "general.architecture") != "clip") {
    reject(file, "expected an mmproj (architecture \"clip\"), found \"{}\"",
           replace_invalid_utf8(gguf_require<std::string>(file, "general.architecture")));
  }
  expect_text(file, "clip.projector_type", "mlp");
  expect_text(file, "clip.vision.projector_type", "mlp");
  expect_text(file, "clip.vision.mm_patch_merge_type", "flat");
  expect_flag(file, "clip.has_vision_encoder", true);
  expect_flag(file, "clip.has_llava_projector", true);
  expect_flag(file, "clip.use_silu", false);
}

int64_t count(const GgufFile& file, const char* key) {
  const auto value = gguf_require<int64_t>(file, key);
  if (value >= 1 && value <= INT32_MAX) return value;
  reject(file, "\"{}\": expected a count of at least 1, found {}", key, value);
}

/// Blocks of the tower: no more than there are tensors, so that a damaged count costs nothing.
int64_t blocks_of(const GgufFile& file) {
  const int64_t blocks = count(file, "clip.vision.block_count");
  if (blocks <= std::ssize(file.tensors)) return blocks;
  reject(file,
         "\"clip.vision.block_count\": expected at most as many blocks as tensors ({}), found {}",
         file.tensors.size(), blocks);
}

/// Index of the hidden state that the projector gets: blocks run.
int64_t feature_layer(const GgufFile& file, int64_t blocks) {
  const auto layers = gguf_get<std::vector<int64_t>>(file, "clip.vision.feature_layer", {blocks});
  if (layers.size() == 1 && layers[0] >= 0 && layers[0] <= blocks) return layers[0];
  reject(file, "\"clip.vision.feature_layer\": expected one layer of 0 to {}, found {}", blocks,
         Json(layers).dump());
}

const GgufTensor& tensor_of(const GgufFile& file, const char* name, int rank) {
  const auto found = file.tensors.find(name);
  if (found != file.tensors.end() && found->second.shape.rank() == rank) return found->second;
  reject(file, "expected a tensor \"{}\" of {} extents, found {}", name, rank,
         found == file.tensors.end() ? "none" : found->second.shape.text());
}

/// config.json of the tower, as transformers has it.
Json tower_config(const GgufFile& file, bool is_clip) {
  const std::string act = is_clip ? "gelu" : "gelu_pytorch_tanh";
  return {{"model_type", is_clip ? "clip_vision_model" : "siglip_vision_model"},
          {"image_size", count(file, "clip.vision.image_size")},
          {"patch_size", count(file, "clip.vision.patch_size")},
          {"hidden_size", count(file, "clip.vision.embedding_length")},
          {"intermediate_size", count(file, "clip.vision.feed_forward_length")},
          {"num_hidden_layers", blocks_of(file)},
          {"num_attention_heads", count(file, "clip.vision.attention.head_count")},
          {"layer_norm_eps", gguf_real(file, "clip.vision.attention.layer_norm_epsilon", 1e-5)},
          {"hidden_act", gguf_get<bool>(file, "clip.use_gelu", !is_clip) ? act : "quick_gelu"}};
}

Json preprocessor_config(const GgufFile& file) {
  const int64_t side = count(file, "clip.vision.image_size");
  Json config = {{"do_resize", true},  {"do_center_crop", true}, {"do_normalize", true},
                 {"do_rescale", true}, {"resample", 3},          {"size", side},
                 {"crop_size", side}};
  for (const char* name : {"image_mean", "image_std"}) {
    const std::string key = fmt::format("clip.vision.{}", name);
    if (file.metadata.contains(key)) config[name] = gguf_require<std::vector<double>>(file, key);
  }
  return config;
}

/// What config.json of the text model says of the seeing half.
void extend_config(const GgufFile& file, bool is_clip, ModelPackage& package) {
  Json config = parse_json(package.files.at("config.json"), "config.json");
  const int64_t width = tensor_of(file, "mm.2.weight", 2).shape[0];
  if (config.at("hidden_size") != width) {
    reject(
        file,
        "expected the mmproj of a language model {} numbers wide, found one for {}; is it that of "
        "another model?",
        config.at("hidden_size").get<int64_t>(), width);
  }
  config["mm_vision_tower"] = kTowerPart;
  config["mm_projector_type"] = "mlp2x_gelu";
  config["mm_hidden_size"] = count(file, "clip.vision.embedding_length");
  config["mm_vision_select_layer"] = feature_layer(file, blocks_of(file));
  config["mm_vision_select_feature"] = is_clip ? "patch" : "cls_patch";
  config["image_aspect_ratio"] =
      replace_invalid_utf8(gguf_get<std::string>(file, "clip.vision.image_aspect_ratio", "pad"));
  package.files["config.json"] = config.dump(2) + "\n";
}

/// Whether ffn_up and ffn_down stand for one another.
bool has_swapped_ffn(const GgufFile& file) {
  return tensor_of(file, "v.blk.0.ffn_down.weight", 2).shape[1] ==
         gguf_require<int64_t>(file, "clip.vision.embedding_length");
}

/// How wide the rows are that an mmproj makes; 0 when the file is none.
int64_t row_width(const fs::path& path) {
  try {
    const GgufFile file = read_gguf(path);
    const auto found = file.tensors.find("mm.2.weight");
    return found == file.tensors.end() || found->second.shape.rank() != 2 ? 0
                                                                          : found->second.shape[0];
  } catch (const Error&) {
    return 0;  // a file of others, which nobody asked for
  }
}

}  // namespace

void attach_mmproj(const GgufFile& file, ModelPackage& package) {
  check_kind(file);
  const bool is_clip = file.tensors.contains("v.class_embd");
  extend_config(file, is_clip, package);
  package.files[fmt::format("{}/config.json", kTowerPart)] =
      tower_config(file, is_clip).dump(2) + "\n";
  package.files[fmt::format("{}/preprocessor_config.json", kTowerPart)] =
      preprocessor_config(file).dump(2) + "\n";
  const auto names = mmproj_names(blocks_of(file), has_swapped_ffn(file));
  for (const auto& [gguf_name, stored] : file.tensors) {
    const auto name = names.find(gguf_name);
    if (name == names.end()) {
      reject(file, "expected tensors of CLIP or SigLIP and of mm.0 and mm.2, found \"{}\"",
             gguf_name);
    }
    const std::string part = name->second.starts_with("vision_model.") ? kTowerPart : "";
    if (is_gguf_matrix(stored)) {
      package.quantised[part].emplace(name->second, gguf_matrix(file, stored, {}));
      package.parts[part];
    } else {
      package.parts[part].emplace(name->second, gguf_tensor(file, gguf_name));
    }
  }
}

fs::path default_mmproj(const fs::path& model) {
  return model.parent_path() / fmt::format("mmproj-{}.gguf", model.stem().string());
}

std::optional<fs::path> find_mmproj(const GgufFile& model) {
  const fs::path& path = model.file->path();
  if (fs::is_regular_file(default_mmproj(path))) return default_mmproj(path);
  const auto architecture = gguf_get<std::string>(model, "general.architecture", "");
  const auto width = gguf_get<int64_t>(model, architecture + ".embedding_length", 0);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<fs::path> candidates;
  std::error_code ignored;  // a folder that cannot be listed has none to find
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool is_candidate = entry.path().extension() == ".gguf" &&
                              name.find("mmproj") != name.npos &&
                              entry.path().filename() != path.filename();
    if (is_candidate && width > 0 && row_width(entry.path()) == width)
      candidates.push_back(entry.path());
  }
  if (candidates.size() != 1) return std::nullopt;
  return candidates.front();
}

}  // namespace vila::formats
