// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/dataset.h"

namespace vila::train {

/// One picture with its words. A value.
struct Pair {
  data::ImageSource image;
  std::string text;
  std::string label;  // the concept; "" where none is given
};

/// All rows of a data set of pairs. @throws Error{invalid_data}
std::vector<Pair> read_pairs(const data::Dataset& dataset);

/// Batches in which each concept comes with several drawings: concepts are shuffled, and each
/// brings up to `drawings_per_label` different pairs. A pair without label is a concept of its own.
/// A pure function of (pairs, seed, position). Immutable.
class PairSampler {
 public:
  /// One data set and how often an epoch takes its concepts.
  struct Source {
    std::vector<Pair> pairs;
    double repeat = 1.0;
  };

  PairSampler(std::vector<Source> sources, int64_t drawings_per_label, uint64_t seed);

  /// Pairs of batch number `index`, `size` of them.
  std::vector<const Pair*> batch(int64_t index, int64_t size) const;

  /// Pairs that one epoch gives.
  int64_t epoch_pairs() const { return static_cast<int64_t>(turns_.size()) * drawings_per_label_; }

  /// The label of a random turn of an epoch: as often met as its concept is in training; may be
  /// empty where pairs have none.
  const std::string& any_label(Random& random) const;

  /// All labels, sorted.
  std::vector<std::string> labels() const;

 private:
  std::vector<Source> sources_;
  int64_t drawings_per_label_;
  uint64_t seed_;
  std::vector<std::vector<const Pair*>> concepts_;
  std::vector<int64_t> turns_;  // concepts of one epoch, with repeats
};

}  // namespace vila::train
