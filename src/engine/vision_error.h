// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "model/vila.h"
#include "ops/context.h"
#include "tensor/tensor.h"

namespace vila::engine {

/// How far rows [T, D] are from the truth, by the cosine between each pair of rows.
struct RowDistance {
  double mean_cosine = 1;
  double least_cosine = 1;
};

/// @pre the same shape. A pair of zero rows has the cosine 1, a zero and another row 0.
RowDistance distance_of_rows(const Tensor& rows, const Tensor& truth);

/// What the projector puts out for prepared pictures [N, 3, S, S], under `model` and under `truth`:
/// the error of a tower in int8, `truth` being the same model in float.
RowDistance compare_vision(const model::Vila& model, const model::Vila& truth, ops::Context& ctx,
                           const Tensor& pixels);

}  // namespace vila::engine
