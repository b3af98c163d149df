// SPDX-License-Identifier: Apache-2.0
#include "train/pair_sampler.h"

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace vila::train {

std::vector<Pair> read_pairs(const data::Dataset& dataset) {
  std::vector<Pair> pairs;
  for (int64_t row = 0; row < dataset.size(); ++row) {
    data::Sample sample = dataset.at(row);
    if (sample.images.size() != 1) {
      fail(ErrorCode::invalid_data, "{} row {}: expected one picture, found {}",
           dataset.path().string(), row, sample.images.size());
    }
    pairs.push_back({sample.images[0], std::move(sample.text), std::move(sample.label)});
  }
  return pairs;
}

PairSampler::PairSampler(std::vector<Source> sources, int64_t drawings_per_label, uint64_t seed)
    : sources_(std::move(sources)), drawings_per_label_(drawings_per_label), seed_(seed) {
  std::map<std::string, int64_t> by_label;
  for (const Source& source : sources_) {
    std::set<int64_t> here;
    for (const Pair& pair : source.pairs) {
      auto concept_id = static_cast<int64_t>(concepts_.size());
      if (!pair.label.empty()) concept_id = by_label.emplace(pair.label, concept_id).first->second;
      if (concept_id == static_cast<int64_t>(concepts_.size())) concepts_.emplace_back();
      concepts_[static_cast<size_t>(concept_id)].push_back(&pair);
      here.insert(concept_id);
    }
    // A fraction of a repeat takes the concepts whose share of it is due, evenly spread.
    double due = 0.0;
    for (const int64_t concept_id : here) {
      due += source.repeat;
      for (; due >= 1.0; due -= 1.0)
        turns_.push_back(concept_id);
    }
  }
  if (turns_.empty()) fail(ErrorCode::invalid_data, "the tower stage's data sets hold no pairs");
}

std::vector<const Pair*> PairSampler::batch(int64_t index, int64_t size) const {
  std::vector<const Pair*> pairs;
  const auto turns = static_cast<int64_t>(turns_.size());
  const int64_t per_batch = (size + drawings_per_label_ - 1) / drawings_per_label_;
  std::vector<int64_t> order;
  int64_t ordered_epoch = -1;
  for (int64_t turn = index * per_batch; static_cast<int64_t>(pairs.size()) < size; ++turn) {
    if (turn / turns != ordered_epoch) {
      ordered_epoch = turn / turns;
      order = turns_;
      Random random(seed_, static_cast<uint64_t>(ordered_epoch));
      shuffle(order, random);
    }
    const auto& drawings = concepts_[static_cast<size_t>(order[static_cast<size_t>(turn % turns)])];
    std::vector<const Pair*> chosen = drawings;
    Random random(seed_ + 1, static_cast<uint64_t>(turn));
    shuffle(chosen, random);
    for (size_t i = 0; i < chosen.size() && i < static_cast<size_t>(drawings_per_label_) &&
                       static_cast<int64_t>(pairs.size()) < size;
         ++i) {
      pairs.push_back(chosen[i]);
    }
  }
  return pairs;
}

const std::string& PairSampler::any_label(Random& random) const {
  const auto turn = static_cast<size_t>(random.below(static_cast<int64_t>(turns_.size())));
  return concepts_[static_cast<size_t>(turns_[turn])].front()->label;
}

std::vector<std::string> PairSampler::labels() const {
  std::set<std::string> labels;
  for (const Source& source : sources_) {
    for (const Pair& pair : source.pairs)
      labels.insert(pair.label);
  }
  labels.erase("");
  return {labels.begin(), labels.end()};
}

}  // namespace vila::train
