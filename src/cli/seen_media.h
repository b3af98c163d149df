// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "media/image.h"
#include "media/image_processor.h"
#include "media/video.h"

namespace vila::cli {

/// The tiles of a picture as the tower sees them, for `vila explain`.
/// @param row  receives how they came about: {"width", "height", "image_size", "tiles", "grid"
/// [columns, rows], "boxes" [left, top, right, bottom of each tile in the resized picture, but of a
/// last small whole one], "sha256" of the 8-bit pixels of all tiles, "tile_sha256" (first 16 digits
/// of each)}; tiled modes also "resizes" [from width, height, to width, height, but of one
/// tile to itself] and dynamic S2 "block_size" [rows, columns], all as conformance/preprocess has
/// them.
/// @throws Error{invalid_image} an empty picture.
std::vector<media::Image> see_picture(const media::Image& image,
                                      const media::ProcessorConfig& processor, Json& row);

/// The chosen frames of a video as the tower sees them.
/// @param row  receives {"frames" (of the file), "fps", "shown" (numbers of the frames, -1 black),
///             "image_size", "sha256"}. @throws as media::load_frames().
std::vector<media::Image> see_video(const std::string& path, const media::FrameChoice& choice,
                                    const media::ProcessorConfig& processor, Json& row);

}  // namespace vila::cli
