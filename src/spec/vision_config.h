// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "media/image_processor.h"
#include "spec/config.h"

namespace vila::spec {

/// preprocessor_config.json of a tower's folder without the mode, which the root config names.
/// CLIP's has a "crop_size", SigLIP's a "size"; InternViT has no file: its transform is ImageNet's.
/// @throws Error{invalid_config | not_found}
media::ProcessorConfig read_processor(const std::filesystem::path& vision_folder,
                                      const VisionConfig& vision);

}  // namespace vila::spec
