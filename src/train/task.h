// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/log.h"
#include "train/parameter_set.h"
#include "train/recipe.h"

namespace vila::train {

/// Where in the data training stands; together with the seed, all that decides the next batch.
struct Cursor {
  int64_t position = 0;  // sample or batch number
  int64_t piece = 0;     // pieces of the sample already used (long text)
};

/// What one batch was.
struct BatchReport {
  double loss = 0.0;
  int64_t rows = 0;  // of the language model, or of the text encoder
  int64_t pictures = 0;
  int64_t targets = 0;
};

/// What a stage trains on: makes batches and their gradients. One thread.
class Task {
 public:
  virtual ~Task() = default;

  virtual ParameterSet& parameters() = 0;
  /// Adds `scale` times the gradient of the batch at `cursor` to the parameters' and moves on.
  virtual BatchReport accumulate(Cursor& cursor, double scale) = 0;
  /// Figures on the validation sets, by "set/figure".
  virtual std::map<std::string, double> validate() = 0;
  /// Batches in one epoch of the data, estimated where rows vary in length.
  virtual double batches_per_epoch() = 0;
  /// Writes the model in the published layout.
  virtual void save(const std::filesystem::path& folder) const = 0;
};

/// The tower stage. @throws Error of the data sets, the tokenizer or what the recipe starts from.
std::unique_ptr<Task> make_contrastive_task(const Recipe& recipe, const LogSink& log);
/// All other stages. @throws as above.
std::unique_ptr<Task> make_language_task(const Recipe& recipe, const LogSink& log);

}  // namespace vila::train
