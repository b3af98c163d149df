// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "train/recipe.h"

namespace vila::train {

/// Factor of the learning rate at `step` (counted from 0) of `steps`: a linear rise over
/// ceil(warmup_ratio * steps) steps from 0, then cosine, linear or constant down to min_lr_ratio.
/// The same as transformers' get_cosine_schedule_with_warmup where min_lr_ratio is 0.
double learning_rate_factor(const OptimizerRecipe& recipe, int64_t step, int64_t steps);

}  // namespace vila::train
