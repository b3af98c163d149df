// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace vila::data {

/// One data set of a mixture. `repeat` 2.0 takes each row twice an epoch, 0.5 half of the rows, the
/// other half in the next epoch.
struct MixturePart {
  std::shared_ptr<const Dataset> dataset;
  double repeat = 1.0;
};

/// Which set each slot of an epoch is given to, so that every set is spread evenly: sets from the
/// largest to the smallest (of equal ones the first listed), sample k of n on the free slot number
/// floor(k * free / n). VILADistributedSampler of llava/train/llava_trainer.py.
/// @return as many entries as the counts sum up to, each the number of a set.
std::vector<int32_t> spread_evenly(std::span<const int64_t> counts);

/// The order in which the rows of several data sets are read: sets spread evenly over the epoch,
/// not mixed at random, and shuffled within. A pure function of (parts, seed, position), so that
/// training resumes from a position alone. Thread-safe.
///
/// A set is read as one endless row of passes over it, pass p shuffled by seed + p; epoch e takes
/// its next round(size * repeat) rows. At repeat 1 that is VILA's shuffle by seed + epoch.
class Mixture {
 public:
  /// @throws Error{invalid_argument} no rows at all, or a repeat that is negative or not finite.
  Mixture(std::vector<MixturePart> parts, uint64_t seed);

  /// Rows of one epoch.
  int64_t size() const { return size_; }

  struct Item {
    int64_t part = 0;
    int64_t row = 0;
    friend bool operator==(const Item&, const Item&) = default;
  };

  /// The `position`-th sample since the beginning of training; epochs follow one another. Costs a
  /// look-up, and O(rows) once per epoch. @pre position >= 0
  Item item(int64_t position) const;

  /// @throws Error{invalid_data} naming file and row; also when its placeholders and pictures
  /// differ
  ///         in number.
  Sample at(int64_t position) const;

  const std::vector<MixturePart>& parts() const { return parts_; }

 private:
  using Order = std::vector<Item>;
  std::shared_ptr<const Order> epoch_order(int64_t epoch) const;
  Order make_order(int64_t epoch) const;
  std::vector<int64_t> rows_of_epoch(size_t part, int64_t epoch) const;

  std::vector<MixturePart> parts_;
  std::vector<int64_t> counts_;  // rows of each part per epoch
  std::vector<int32_t> slots_;   // part of each slot, the same in every epoch
  uint64_t seed_;
  int64_t size_ = 0;
  mutable std::mutex mutex_;
  mutable int64_t cached_epoch_ = -1;
  mutable std::shared_ptr<const Order> order_;
};

}  // namespace vila::data
