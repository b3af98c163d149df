// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"

namespace vila::data {

/// One data set of a mixture. `repeat` 2.0 takes each row twice an epoch, 0.5 half of the rows.
struct MixturePart {
  std::shared_ptr<const Dataset> dataset;
  double repeat = 1.0;
};

/// The order in which the rows of several data sets are read: within a set shuffled by seed and epoch,
/// sets evenly spread over the epoch, not mixed at random (VILADistributedSampler of
/// llava/train/llava_trainer.py, docs/training.md). A pure function of (parts, seed, epoch).
class Mixture {
 public:
  Mixture(std::vector<MixturePart> parts, uint64_t seed);

  /// Rows of one epoch.
  int64_t size() const;
  /// The `position`-th sample since the beginning of training; epochs follow one another.
  struct Item {
    int64_t part = 0;
    int64_t row = 0;
  };
  Item item(int64_t position) const;
  Sample at(int64_t position) const;

 private:
  const std::vector<Item>& epoch_order(int64_t epoch) const;

  std::vector<MixturePart> parts_;
  uint64_t seed_;
  mutable int64_t cached_epoch_ = -1;
  mutable std::vector<Item> order_;
};

}  // namespace vila::data
