// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "media/image.h"
#include "tensor/tensor.h"

namespace vila::media {

/// From picture to what the tower sees (spec of CLIPImageProcessor's preprocessor_config.json plus
/// VILA's image_aspect_ratio).
struct ProcessorConfig {
  enum class Mode {
    pad,
    resize,
    crop,        // none/"square": the tower's own (CLIP: shortest side, centre crop; else resize)
    dynamic,     // tiles by the shape of the picture, and a small whole (media/tiling.h)
    dynamic_s2,  // tiles at several scales
  };
  int64_t image_size = 336;  // of what the tower sees; of static S2 the largest scale
  std::array<float, 3> mean = {0.48145466F, 0.4578275F, 0.40821073F};
  std::array<float, 3> std = {0.26862954F, 0.26130258F, 0.27577711F};
  Mode mode = Mode::pad;
  bool crops = true;             // whether Mode::crop cuts, as CLIP's processor does
  int64_t min_tiles = 1;         // of Mode::dynamic
  int64_t max_tiles = 12;        // of Mode::dynamic and of the largest scale of Mode::dynamic_s2
  std::vector<int64_t> sides{};  // of S2's scales, smallest first

  /// Whether the number of tiles depends on the picture.
  bool is_tiled() const { return mode == Mode::dynamic || mode == Mode::dynamic_s2; }
};

/// The mode of an `image_aspect_ratio` value. @throws Error{invalid_config} listing the known ones.
ProcessorConfig::Mode parse_aspect_ratio(const std::string& name);

/// The 8-bit square picture after geometry, [S, S, 3]. A picture that a tiled mode does not tile is
/// resized.
Image process_geometry(const Image& image, const ProcessorConfig& config);

/// Normalises an already square picture: [3, S, S] f32, (float32(byte / 255) - mean) / std.
Tensor normalise(const Image& image, const ProcessorConfig& config);

/// Both: [3, S, S] f32.
Tensor process_image(const Image& image, const ProcessorConfig& config);

}  // namespace vila::media
