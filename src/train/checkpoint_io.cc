// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_io.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"

namespace vila::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFlatTower = "model.vision_tower.vision_tower.";

spec::VilaConfig read_folder_config(const fs::path& folder) {
  return spec::read_config(folder, formats::open_checkpoint(folder).vision_folder);
}

/// The tower's config, of a CLIP folder or of a whole VILA.
spec::VisionConfig read_tower_config(const fs::path& folder) {
  return spec::read_vision_config(formats::open_checkpoint(folder).vision_folder);
}

void write_json(const fs::path& path, const Json& json) {
  write_file(path, json.dump(2) + "\n");
}

void save_tower_configs(const fs::path& folder, const spec::VilaConfig& config) {
  fs::create_directories(folder);
  write_json(folder / "config.json", spec::vision_config_json(*config.vision));
  write_json(folder / "preprocessor_config.json", spec::preprocessor_json(config.image_processor));
}

void copy_tokenizer(const fs::path& source, const fs::path& folder) {
  const bool is_folder = fs::is_directory(source);
  const fs::path model = is_folder ? source / "tokenizer.model" : source;
  write_file(folder / "tokenizer.model", read_file(model));
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const fs::path from = model.parent_path() / name;
    if (fs::exists(from)) write_file(folder / name, read_file(from));
  }
}

}  // namespace

spec::VilaConfig stage_config(const Recipe& recipe, int64_t vocab_size) {
  spec::VilaConfig config = recipe.model;
  if (!recipe.init.llm.empty()) {
    config.llm = read_folder_config(recipe.init.llm).llm;
  } else {
    config.llm.vocab_size = vocab_size;
  }
  if (recipe.stage == Stage::text) config.vision.reset();
  if (config.vision && !recipe.init.vision_tower.empty()) {
    config.vision = read_tower_config(recipe.init.vision_tower);
    config.mm_hidden_size = config.vision->hidden_size;
    config.image_processor.image_size = config.vision->image_size;
  }
  if (!config.vision) config.mm_vision_tower.clear();
  config.model_max_length = config.llm.max_position_embeddings;
  if (config.llm.vocab_size < vocab_size) {
    fail(ErrorCode::invalid_config, "init.llm {}: vocab_size {} is below the tokenizer's {}",
         recipe.init.llm.string(), config.llm.vocab_size, vocab_size);
  }
  spec::validate(config, "recipe");
  return config;
}

void load_parts(const InitRecipe& init, ParameterSet& parameters) {
  const auto load = [&](const fs::path& folder, spec::Part part) {
    if (!folder.empty()) parameters.load(formats::open_checkpoint(folder), part);
  };
  load(init.llm, spec::Part::llm);
  load(init.vision_tower, spec::Part::vision_tower);
  load(init.mm_projector, spec::Part::mm_projector);
}

void save_checkpoint(const fs::path& folder, const spec::VilaConfig& config,
                     const ParameterSet& parameters, const SaveOptions& options) {
  fs::create_directories(folder);
  const DType dtype = options.store_bf16 ? DType::bf16 : DType::f32;
  std::vector<formats::NamedTensor> tensors;
  for (int64_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back({parameters.row(i).name, parameters.copy(i, dtype)});
  }
  formats::write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
  Json json = spec::config_json(config);
  json["torch_dtype"] = options.store_bf16 ? "bfloat16" : "float32";
  write_json(folder / "config.json", json);
  copy_tokenizer(options.tokenizer, folder);
  if (config.has_vision()) save_tower_configs(folder / config.mm_vision_tower, config);
}

void save_tower(const fs::path& folder, const spec::VilaConfig& config,
                const ParameterSet& parameters, bool store_bf16) {
  const DType dtype = store_bf16 ? DType::bf16 : DType::f32;
  std::vector<formats::NamedTensor> tensors;
  for (int64_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters.row(i).name;
    if (name.starts_with(kFlatTower)) {
      tensors.push_back({name.substr(kFlatTower.size()), parameters.copy(i, dtype)});
    }
  }
  save_tower_configs(folder, config);
  formats::write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
}

}  // namespace vila::train
