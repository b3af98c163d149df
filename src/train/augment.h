// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/random.h"
#include "train/recipe.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// Random pictures out of pictures [n, 3, S, S] in 0..1: one affine map each (rotation, scale,
/// shift, mirror; what comes in from outside repeats the border), brightness, contrast, saturation
/// and hue, grey, noise, a blanked square. A function of its arguments and the state of `random`.
at::Tensor augment(const at::Tensor& pictures, const AugmentRecipe& recipe, Random& random);

}  // namespace vila::train
