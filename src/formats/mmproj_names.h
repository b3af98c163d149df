// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace vila::formats {

/// Names of an mmproj's tensors and what they are here: of the tower as in a CLIP file
/// ("vision_model.encoder.layers.0.mlp.fc1.weight"), of the projector as in the flat layout
/// ("model.mm_projector.0.weight").
/// @param blocks  of the tower
/// @param has_swapped_ffn  whether ffn_down is the first matrix of a block's MLP, as early
/// converters named it
std::map<std::string, std::string, std::less<>> mmproj_names(int64_t blocks, bool has_swapped_ffn);

}  // namespace vila::formats
