// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>

#include "media/image.h"
#include "tensor/tensor.h"

namespace vila::media {

/// From picture to what the tower sees (spec of CLIPImageProcessor's preprocessor_config.json plus
/// VILA's image_aspect_ratio).
struct ProcessorConfig {
  enum class Mode {
    pad,
    resize,
    crop
  };  // "pad", "resize", and none/"square" (shortest side, centre crop)
  int64_t image_size = 336;
  std::array<float, 3> mean = {0.48145466F, 0.4578275F, 0.40821073F};
  std::array<float, 3> std = {0.26862954F, 0.26130258F, 0.27577711F};
  Mode mode = Mode::pad;
};

/// The mode of an `image_aspect_ratio` value. @throws Error{invalid_config} listing the known ones.
ProcessorConfig::Mode parse_aspect_ratio(const std::string& name);

/// The 8-bit square picture after geometry, [S, S, 3].
Image process_geometry(const Image& image, const ProcessorConfig& config);

/// Normalises an already square picture: [3, S, S] f32, (float32(byte / 255) - mean) / std.
Tensor normalise(const Image& image, const ProcessorConfig& config);

/// Both: [3, S, S] f32.
Tensor process_image(const Image& image, const ProcessorConfig& config);

}  // namespace vila::media
