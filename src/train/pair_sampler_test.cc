// SPDX-License-Identifier: Apache-2.0
#include "train/pair_sampler.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

namespace vila::train {
namespace {

std::vector<PairSampler::Source> sources() {
  std::vector<Pair> pairs;
  for (int label = 0; label < 6; ++label) {
    for (int vendor = 0; vendor < 3; ++vendor) {
      const std::string name = std::string(1, static_cast<char>('a' + label));
      pairs.push_back({data::ImageSource(name + std::to_string(vendor)), "a " + name, name});
    }
  }
  return {{pairs, 1.0}};
}

std::vector<std::string> names(const std::vector<const Pair*>& pairs) {
  std::vector<std::string> result;
  for (const Pair* pair : pairs)
    result.push_back(pair->image.path.string());
  return result;
}

TEST(PairSampler, EachConceptComesWithDifferentDrawings) {
  const PairSampler sampler(sources(), 2, 1);
  std::map<std::string, std::set<std::string>> drawings;
  for (const Pair* pair : sampler.batch(0, 12))
    drawings[pair->label].insert(pair->image.name());
  EXPECT_EQ(drawings.size(), 6U);
  for (const auto& [label, images] : drawings)
    EXPECT_EQ(images.size(), 2U) << label;
}

TEST(PairSampler, ABatchDependsOnlyOnSeedAndNumber) {
  const PairSampler sampler(sources(), 2, 1);
  const PairSampler again(sources(), 2, 1);
  const PairSampler other(sources(), 2, 2);
  sampler.batch(0, 4);
  EXPECT_EQ(names(sampler.batch(5, 4)), names(again.batch(5, 4)));
  EXPECT_NE(names(sampler.batch(5, 12)), names(other.batch(5, 12)));
}

TEST(PairSampler, APairWithoutLabelStandsAlone) {
  std::vector<Pair> pairs(4, Pair{data::ImageSource("x"), "words", ""});
  const PairSampler sampler({{pairs, 1.0}}, 2, 1);
  EXPECT_EQ(sampler.batch(0, 4).size(), 4U);
  EXPECT_TRUE(sampler.labels().empty());
}

TEST(PairSampler, RepeatCountsConcepts) {
  auto half = sources();
  half[0].repeat = 0.5;
  EXPECT_EQ(PairSampler(sources(), 2, 1).epoch_pairs(), 12);
  EXPECT_EQ(PairSampler(half, 2, 1).epoch_pairs(), 6);
}

}  // namespace
}  // namespace vila::train
