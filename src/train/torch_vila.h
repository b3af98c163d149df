// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/config.h"
#include "train/collate.h"
#include "train/parameter_set.h"
#include "train/recipe.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// A batch's input to the decoder: token embeddings with the projected pictures in their rows,
/// f32 [rows, hidden]. `features` [pictures * tokens_per_image, width]; undefined without pictures.
at::Tensor embed_batch(const ParameterSet& parameters, const spec::VilaConfig& config,
                       const PackedBatch& batch, const at::Tensor& features, Precision precision);

/// Hidden rows of a batch after the final norm, [rows, hidden].
at::Tensor vila_forward(const ParameterSet& parameters, const spec::VilaConfig& config,
                        const PackedBatch& batch, const at::Tensor& features, Precision precision);

/// Mean cross entropy over the batch's targets; a zero without gradient when it has none.
at::Tensor vila_loss(const ParameterSet& parameters, const spec::VilaConfig& config,
                     const PackedBatch& batch, const at::Tensor& features, Precision precision);

}  // namespace vila::train
