// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"

namespace vila::formats {

/// The rotary frequencies that a stretching changes: theta^(-2i / head_dim) for i in
/// 0 … head_dim / 2.
struct RopeBase {
  int64_t head_dim = 0;
  double theta = 1e4;
};

/// What divides each frequency under Llama-3.1's scaling, as the tensor "rope_freqs.weight" of a
/// GGUF file has it: `head_dim / 2` numbers from 1 (short waves) to `factor` (long ones).
/// @param scaling  the object "rope_scaling" of config.json, of type llama3.
/// @throws Error{invalid_config} a member of the wrong kind.
/// Source: _compute_llama3_parameters of transformers.
std::vector<float> llama3_rope_factors(const Json& scaling, const RopeBase& base);

/// The reverse: the "rope_scaling" of type llama3 whose factors are those of the tensor, to a
/// relative 1e-4. Where several scalings give the same factors, it is the one with
/// low_freq_factor 1.
/// @param original  positions that the model was first trained for, if the file says so; 0: not.
/// @return null when no such scaling has these factors.
Json llama3_rope_scaling(std::span<const float> factors, const RopeBase& base, int64_t original);

}  // namespace vila::formats
