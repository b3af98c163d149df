// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vila::train {

double learning_rate_factor(const OptimizerRecipe& recipe, int64_t step, int64_t steps) {
  const double total = static_cast<double>(steps);
  const double warmup = std::ceil(recipe.warmup_ratio * total);
  const double now = static_cast<double>(step);
  if (now < warmup) return now / warmup;
  const double progress = std::min(1.0, (now - warmup) / std::max(1.0, total - warmup));
  double shape = 1.0;
  if (recipe.schedule == Schedule::cosine)
    shape = 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  if (recipe.schedule == Schedule::linear) shape = 1.0 - progress;
  return recipe.min_lr_ratio + (1.0 - recipe.min_lr_ratio) * shape;
}

}  // namespace vila::train
