// SPDX-License-Identifier: Apache-2.0
#include "train/collate.h"

#include <gtest/gtest.h>

namespace vila::train {
namespace {

EncodedSample text_sample(std::vector<int64_t> ids) {
  EncodedSample sample;
  sample.labels = ids;
  sample.ids = std::move(ids);
  return sample;
}

TEST(Collate, TargetsAreTheNextLabelsAndStopAtTheBorder) {
  const std::vector<EncodedSample> samples = {text_sample({1, 5, 6}), text_sample({1, 7})};
  const PackedBatch batch = pack(samples);
  EXPECT_EQ(batch.ids, (std::vector<int64_t>{1, 5, 6, 1, 7}));
  EXPECT_EQ(batch.targets, (std::vector<int64_t>{5, 6, -100, 7, -100}));
  EXPECT_EQ(batch.positions, (std::vector<int64_t>{0, 1, 2, 0, 1}));
  EXPECT_EQ(batch.starts, (std::vector<int64_t>{0, 3, 5}));
}

TEST(Collate, TheBorderOfFebruary2024TrainsOnTheNextSamplesFirstLabel) {
  const std::vector<EncodedSample> samples = {text_sample({1, 5}), text_sample({1, 7})};
  const PackedBatch batch = pack(samples, Border::next_label);
  EXPECT_EQ(batch.targets, (std::vector<int64_t>{5, 1, 7, -100}));
}

TEST(Collate, PicturesTakeTheirRowsAndNoLoss) {
  EncodeOptions options;
  options.tokens_per_image = 3;
  const spec::LabelledIds labelled{{1, spec::kImageToken, 9}, {1, spec::kIgnoreLabel, 9}};
  const EncodedSample sample = encode_ids(labelled, {data::ImageSource("a.png")}, options);
  EXPECT_EQ(sample.ids, (std::vector<int64_t>{1, 0, 0, 0, 9}));
  EXPECT_EQ(sample.labels, (std::vector<int64_t>{1, -100, -100, -100, 9}));
  EXPECT_EQ(sample.image_rows, (std::vector<int64_t>{1, 2, 3}));
}

TEST(Collate, AppendShiftsRowsAndStarts) {
  EncodedSample picture = text_sample({1, 0, 4});
  picture.image_rows = {1};
  PackedBatch batch = pack(std::vector<EncodedSample>{text_sample({1, 5})});
  append(batch, pack(std::vector<EncodedSample>{picture}));
  EXPECT_EQ(batch.image_rows, (std::vector<int64_t>{3}));
  EXPECT_EQ(batch.starts, (std::vector<int64_t>{0, 2, 5}));
  EXPECT_EQ(batch.targets, (std::vector<int64_t>{5, -100, 0, 4, -100}));
}

}  // namespace
}  // namespace vila::train
