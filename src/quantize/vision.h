// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "formats/model_package.h"
#include "model/vision_int8.h"
#include "spec/config.h"

namespace vila::quantize {

/// Puts the Linears of a package's tower and projector in 8 bits (model/vision_int8.h), packed as
/// they run, so that a file of them needs no work at load. Norms are smoothed and become f32.
/// Layers of the tower whose output the model does not use are left out.
/// @param checkpoint  the same model, whose tower and projector are read.
/// @param maxima  what calibration recorded; empty: see model::expected_maxima().
/// @throws Error{invalid_argument} for a model without tower; as model::Weights::bind().
void round_vision(formats::ModelPackage& package, const formats::Checkpoint& checkpoint,
                  const spec::VilaConfig& config, const model::ActivationMaxima& maxima,
                  ThreadPool& pool);

}  // namespace vila::quantize
