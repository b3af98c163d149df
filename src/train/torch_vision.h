// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "spec/config.h"
#include "train/parameter_set.h"
#include "train/recipe.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// The CLIP vision tower (docs/model.md) before its encoder: pixels f32 [n, 3, S, S] to rows f32
/// [n, 1 + patches, width], pre_layrnorm done.
at::Tensor vision_embed(const ParameterSet& parameters, const spec::VisionConfig& config,
                        const at::Tensor& pixels, Precision precision);

/// Encoder layers `first` to `last` - 1: rows f32 [n, 1 + patches, width] to the same.
at::Tensor vision_encode(const ParameterSet& parameters, const spec::VisionConfig& config,
                         const at::Tensor& rows, int64_t first, int64_t last, Precision precision);

/// What VILA takes of it: hidden rows after the selected layer, without the class token unless
/// mm_vision_select_feature says so; f32 [n, tokens_per_image, width].
at::Tensor vision_features(const ParameterSet& parameters, const spec::VilaConfig& config,
                           const at::Tensor& pixels, Precision precision);

/// The projector of spec::projector_linears() with exact GELU between: [rows, in] to [rows, out].
at::Tensor projector_forward(const ParameterSet& parameters, const spec::VilaConfig& config,
                             const at::Tensor& features, Precision precision);

}  // namespace vila::train
