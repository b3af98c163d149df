// SPDX-License-Identifier: Apache-2.0
#include "formats/lora_config.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxRank = 1 << 16;

// Members of adapter_config.json that make of a LoRA adapter something else when they are set.
constexpr const char* kOtherMethods[] = {
    "alora_invocation_tokens",
    "arrow_config",
    "layer_replication",
    "megatron_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
};

Json member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? Json() : *found;
}

/// A pattern of PEFT is a regular expression that matches the end of a module's name; those that
/// are plain names are all that its own tools write.
template <typename T>
std::map<std::string, T> read_pattern(const Json& config, const char* key,
                                      const std::string& source) {
  std::map<std::string, T> values;
  const Json rows = member(config, key);
  if (!rows.is_object()) return values;
  for (const auto& [name, value] : rows.items()) {
    if (name.find_first_of("^$*+?()[]{}|\\") != name.npos || !value.is_number()) {
      fail(ErrorCode::invalid_model,
           "{}: {}: expected plain names of modules and numbers, found "
           "\"{}\": {}",
           source, key, name, value.dump());
    }
    values[name] = value.template get<T>();
  }
  return values;
}

template <typename T>
T by_pattern(const std::map<std::string, T>& values, std::string_view module, T fallback) {
  for (const auto& [name, value] : values) {
    const bool is_end = module.ends_with(name) && (module.size() == name.size() ||
                                                   module[module.size() - name.size() - 1] == '.');
    if (is_end) return value;
  }
  return fallback;
}

/// How training began matters where that changed the base as well (PiSSA, OLoRA, CorDA, …): such
/// an adapter is no difference to the weights that the base's files hold.
void check_start(const Json& config, const std::string& source) {
  const Json start = member(config, "init_lora_weights");
  if (!start.is_string()) return;
  const auto name = start.get<std::string>();
  if (name == "gaussian" || name == "eva" || name == "orthogonal") return;
  fail(ErrorCode::invalid_model,
       "{}: expected an adapter that began at the base's weights, found init_lora_weights \"{}\"; "
       "convert it with PEFT first (save_pretrained, path_initial_model_for_weight_conversion)",
       source, name);
}

void check_supported(const Json& config, const std::string& source) {
  const auto type = json_get<std::string>(config, "peft_type", "LORA", source);
  if (type != "LORA") {
    fail(ErrorCode::invalid_model,
         "{}: expected peft_type LORA, found {}; merge it with PEFT first", source, type);
  }
  for (const char* key : kOtherMethods) {
    const Json value = member(config, key);
    const bool is_set = !value.is_null() && value != Json(false) && !value.empty();
    if (!is_set) continue;
    fail(ErrorCode::invalid_model,
         "{}: expected plain LoRA or DoRA, found \"{}\": {}; merge it with PEFT first", source, key,
         value.dump());
  }
  check_start(config, source);
  const auto bias = json_get<std::string>(config, "bias", "none", source);
  const bool is_transposed = json_get<bool>(config, "fan_in_fan_out", false, source);
  const bool has_bias = json_get<bool>(config, "lora_bias", false, source);
  if (is_transposed || has_bias || bias != "none") {
    fail(ErrorCode::invalid_model,
         "{}: expected an adapter without biases and without fan_in_fan_out, found bias \"{}\"; "
         "merge it with PEFT first",
         source, bias);
  }
}

}  // namespace

int64_t LoraConfig::rank_of(std::string_view module) const {
  return by_pattern(ranks, module, rank);
}

double LoraConfig::scale_of(std::string_view module) const {
  const auto r = static_cast<double>(rank_of(module));
  return by_pattern(alphas, module, alpha) / (has_rank_scaling ? std::sqrt(r) : r);
}

LoraConfig read_lora_config(const fs::path& folder) {
  const fs::path path = folder / "adapter_config.json";
  const std::string source = path.string();
  const Json json = read_json_file(path, ErrorCode::invalid_model);
  if (!json.is_object()) fail(ErrorCode::invalid_model, "{}: expected an object", source);
  try {
    check_supported(json, source);
    LoraConfig config;
    config.alpha = json_get<double>(json, "lora_alpha", config.alpha, source);
    config.rank = json_get<int64_t>(json, "r", config.rank, source);
    config.has_rank_scaling = json_get<bool>(json, "use_rslora", false, source);
    config.base = json_get<std::string>(json, "base_model_name_or_path", "", source);
    config.alphas = read_pattern<double>(json, "alpha_pattern", source);
    config.ranks = read_pattern<int64_t>(json, "rank_pattern", source);
    if (config.rank < 1 || config.rank > kMaxRank)
      fail(ErrorCode::invalid_model, "{}: expected r from 1 to {}, found {}", source, kMaxRank,
           config.rank);
    return config;
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_model, error.message());
  }
}

}  // namespace vila::formats
