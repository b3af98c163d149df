// SPDX-License-Identifier: Apache-2.0
#include "spec/splice.h"

#include <gtest/gtest.h>

#include "vila/error.h"

namespace vila::spec {
namespace {

using text::TokenId;

const std::vector<TokenId> kTwoPictures = {1, kImageToken, 7, 8, kImageToken};

TEST(Splice, LaysOutTextAndPicturesInTheirOrder) {
  const Splice layout = splice(kTwoPictures, 2, 4, 0);

  ASSERT_EQ(layout.segments.size(), 4u);
  EXPECT_EQ(layout.length, 3 + 2 * 4);
  EXPECT_EQ(layout.images, 2);
  EXPECT_FALSE(layout.segments[0].is_image);
  EXPECT_TRUE(layout.segments[1].is_image);
  EXPECT_EQ(layout.segments[1].begin, 1);
  EXPECT_EQ(layout.segments[1].source, 0);
  EXPECT_EQ(layout.segments[2].begin, 5);
  EXPECT_EQ(layout.segments[2].rows, 2);
  EXPECT_EQ(layout.segments[2].source, 2);
  EXPECT_EQ(layout.segments[3].begin, 7);
  EXPECT_EQ(layout.segments[3].source, 1);
}

TEST(Splice, GivesEachPictureOrVideoItsOwnNumberOfRows) {
  const std::vector<text::TokenId> ids = {1, kImageToken, 2, kVideoToken};
  const std::vector<int64_t> rows = {3, 5};
  const Splice layout = splice(ids, rows, 0);
  EXPECT_EQ(layout.length, 1 + 3 + 1 + 5);
  ASSERT_EQ(layout.segments.size(), 4U);
  EXPECT_EQ(layout.segments[3].begin, 5);
  EXPECT_EQ(layout.segments[3].source, 1);
}

TEST(Splice, SegmentsCoverEveryRowOnce) {
  const std::vector<TokenId> ids = {kImageToken, kImageToken, 3, kImageToken, 4, 5};
  const Splice layout = splice(ids, 3, 5, 0);

  int64_t next = 0;
  for (const Segment& segment : layout.segments) {
    EXPECT_EQ(segment.begin, next);
    next += segment.rows;
  }
  EXPECT_EQ(next, layout.length);
}

TEST(Splice, TextAloneIsOneSegment) {
  const std::vector<TokenId> ids = {1, 2, 3};

  EXPECT_EQ(splice(ids, 0, 576, 3).segments.size(), 1u);
  EXPECT_EQ(splice({}, 0, 576, 0).length, 0);
}

TEST(Splice, RefusesAnotherNumberOfPictures) {
  try {
    splice(kTwoPictures, 1, 4, 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find("2 <image> and 1 picture"), std::string::npos);
  }
  EXPECT_THROW(splice(kTwoPictures, 3, 4, 0), Error);
}

TEST(Splice, RefusesWhatIsLongerThanTheContextInsteadOfCuttingTheQuestion) {
  EXPECT_EQ(splice(kTwoPictures, 2, 4, 11).length, 11);
  EXPECT_THROW(splice(kTwoPictures, 2, 4, 10), Error);
}

TEST(Splice, PictureRowsCarryNoLabel) {
  const std::vector<TokenId> labels = {kIgnoreLabel, kImageToken, 7, 8, kImageToken};
  const Splice layout = splice(kTwoPictures, 2, 2, 0);

  EXPECT_EQ(splice_labels(layout, labels),
            (std::vector<TokenId>{kIgnoreLabel, kIgnoreLabel, kIgnoreLabel, 7, 8, kIgnoreLabel,
                                  kIgnoreLabel}));
}

}  // namespace
}  // namespace vila::spec
