// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_checkpoint.h"

#include <cmath>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/random.h"
#include "spec/parameters.h"
#include "support/tiny_tokenizer.h"

namespace vila::test {
namespace {

bool ends_with_bias(const std::string& name) {
  return name.ends_with(".bias");
}

// Standard deviation and mean of a parameter's values.
std::pair<double, double> distribution(const spec::Parameter& parameter) {
  if (ends_with_bias(parameter.name)) return {0.1, 0};
  if (!parameter.has_decay && parameter.shape.rank() == 1 &&
      parameter.name.find("class_embedding") == std::string::npos) {
    return {0.1, 1};
  }
  if (parameter.name.find("embed") != std::string::npos && parameter.shape.rank() <= 2) {
    return {0.7, 0};
  }
  const int64_t fan_in = parameter.shape.numel() / parameter.shape[0];
  return {1.2 / std::sqrt(static_cast<double>(fan_in)), 0};
}

}  // namespace

spec::VilaConfig tiny_language_config() {
  spec::VilaConfig config;
  config.llm = {.hidden_size = 48,
                .intermediate_size = 112,
                .num_hidden_layers = 2,
                .num_attention_heads = 4,
                .num_key_value_heads = 2,
                .head_dim = 12,
                .vocab_size = 384,
                .max_position_embeddings = 256};
  config.model_max_length = 256;
  return config;
}

spec::VilaConfig tiny_config() {
  spec::VilaConfig config = tiny_language_config();
  config.vision = spec::VisionConfig{.image_size = 28,
                                     .patch_size = 7,
                                     .hidden_size = 32,
                                     .intermediate_size = 64,
                                     .num_hidden_layers = 4,
                                     .num_attention_heads = 4};
  config.mm_vision_tower = "vision_tower";
  config.mm_projector_type = "mlp2x_gelu";
  config.mm_hidden_size = 32;
  config.image_aspect_ratio = "pad";
  config.image_processor.image_size = 28;
  return config;
}

std::vector<formats::NamedTensor> random_parameters(const TinyOptions& options) {
  std::vector<formats::NamedTensor> tensors;
  uint64_t stream = 0;
  for (const spec::Parameter& parameter : spec::parameters(options.config)) {
    const auto [deviation, mean] = distribution(parameter);
    Random random(options.seed, ++stream);
    const Tensor values = Tensor::empty(DType::f32, parameter.shape);
    for (float& value : values.values<float>()) {
      value = static_cast<float>(mean + deviation * random.normal());
    }
    tensors.push_back({parameter.name, values.to(options.dtype)});
  }
  return tensors;
}

void write_config_files(const std::filesystem::path& folder, const spec::VilaConfig& config) {
  std::filesystem::create_directories(folder);
  write_file(folder / "config.json", spec::config_json(config).dump(2));
  if (!config.has_vision()) return;
  const std::filesystem::path tower = folder / config.mm_vision_tower;
  std::filesystem::create_directories(tower);
  write_file(tower / "config.json", spec::vision_config_json(*config.vision).dump(2));
  write_file(tower / "preprocessor_config.json",
             spec::preprocessor_json(config.image_processor).dump(2));
}

void write_tiny_checkpoint(const std::filesystem::path& folder, const TinyOptions& options) {
  write_config_files(folder, options.config);
  const std::vector<formats::NamedTensor> tensors = random_parameters(options);
  formats::write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
  write_tiny_tokenizer(folder);
}

}  // namespace vila::test
