// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <gtest/gtest.h>

namespace vila::train {
namespace {

TEST(Schedule, CosineIsThatOfTransformers) {
  // get_cosine_schedule_with_warmup(optimizer, 10, 100) of transformers 4.46, lambda at these
  // steps.
  OptimizerRecipe recipe;
  recipe.warmup_ratio = 0.1;
  EXPECT_DOUBLE_EQ(learning_rate_factor(recipe, 0, 100), 0.0);
  EXPECT_DOUBLE_EQ(learning_rate_factor(recipe, 5, 100), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor(recipe, 10, 100), 1.0);
  EXPECT_NEAR(learning_rate_factor(recipe, 40, 100), 0.75, 1e-12);
  EXPECT_NEAR(learning_rate_factor(recipe, 55, 100), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate_factor(recipe, 100, 100), 0.0, 1e-12);
}

TEST(Schedule, NeverFallsBelowTheLeastRate) {
  OptimizerRecipe recipe;
  recipe.min_lr_ratio = 0.1;
  for (const Schedule schedule : {Schedule::cosine, Schedule::linear}) {
    recipe.schedule = schedule;
    EXPECT_NEAR(learning_rate_factor(recipe, 100, 100), 0.1, 1e-12);
    EXPECT_NEAR(learning_rate_factor(recipe, 200, 100), 0.1, 1e-12);
  }
}

TEST(Schedule, ConstantStaysAfterTheRise) {
  OptimizerRecipe recipe;
  recipe.schedule = Schedule::constant;
  EXPECT_DOUBLE_EQ(learning_rate_factor(recipe, 50, 100), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_factor(recipe, 99, 100), 1.0);
}

}  // namespace
}  // namespace vila::train
