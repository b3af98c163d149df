// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace vila::formats {

/// adapter_config.json of PEFT, as far as merging needs it. A value.
struct LoraConfig {
  double alpha = 8;
  int64_t rank = 8;
  bool has_rank_scaling = false;           // use_rslora: alpha / sqrt(rank)
  std::string base;                        // base_model_name_or_path; may be empty
  std::map<std::string, double> alphas{};  // alpha_pattern: by the end of a module's name
  std::map<std::string, int64_t> ranks{};  // rank_pattern

  int64_t rank_of(std::string_view module) const;
  /// What B·A of a module is multiplied by.
  double scale_of(std::string_view module) const;
};

/// @throws Error{invalid_model} naming what cannot be merged (another peft_type, fan_in_fan_out,
/// biases, patterns that are no plain names); Error{not_found}.
LoraConfig read_lora_config(const std::filesystem::path& folder);

}  // namespace vila::formats
