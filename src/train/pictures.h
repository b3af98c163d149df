// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "media/image_processor.h"
#include "train/row_cache.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// Pictures of the cache as f32 [n, 3, S, S] in 0..1.
at::Tensor load_pictures(const ImageCache& images, const std::vector<int64_t>& rows,
                         const std::string& device);

/// (picture - mean) / std per channel.
at::Tensor normalise_pictures(const at::Tensor& pictures, const media::ProcessorConfig& config);

}  // namespace vila::train
