// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "train/parameter_set.h"
#include "train/recipe.h"

namespace vila::train {

/// AdamW over the trainable rows of a parameter set: bias-corrected, decay decoupled and only where
/// spec::Parameter::has_decay. One thread.
class Optimizer {
 public:
  Optimizer(const ParameterSet& parameters, const OptimizerRecipe& recipe);
  ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Steps with the gradients that the parameters hold, scaled so that their common norm is at most
  /// `max_grad_norm` (0: as they are), then forgets them.
  /// @param factor  of every learning rate, from the schedule.
  /// @returns the norm before clipping. Where it is not finite nothing is changed.
  double step(double factor, double max_grad_norm);

  /// Steps taken, and moments by name ("mean.NAME", "variance.NAME").
  int64_t steps() const;
  std::vector<formats::NamedTensor> state() const;
  /// @throws Error{invalid_model} when a moment is missing or misshaped.
  void restore(const formats::SafetensorsFile& state, int64_t steps, const std::string& source);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vila::train
