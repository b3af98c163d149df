// SPDX-License-Identifier: Apache-2.0
#include "cli/picture_modes.h"

#include <vector>

#include <gtest/gtest.h>

#include "cli/median.h"
#include "cli/sha256.h"
#include "vila/error.h"

namespace vila::cli {
namespace {

TEST(PictureModes, KnowTheSizeAndGeometryOfATower) {
  const media::ProcessorConfig mode = picture_mode("resize-intern448");

  EXPECT_EQ(mode.image_size, 448);
  EXPECT_EQ(mode.mode, media::ProcessorConfig::Mode::resize);
  EXPECT_FLOAT_EQ(mode.mean[0], 0.485F);
}

TEST(PictureModes, ListTheNamesWhenOneIsUnknown) {
  try {
    picture_mode("pad-clip337");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("pad-clip336"), std::string::npos);
  }
}

// FIPS 180-2, appendix B.1.
TEST(Sha256, EqualsTheStandardsExample) {
  const std::vector<uint8_t> abc = {'a', 'b', 'c'};

  EXPECT_EQ(sha256_hex(abc), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Median, IsTheMiddleValueInAnyOrder) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({7}), 7);
  EXPECT_EQ(median({1, 9}), 9);
}

}  // namespace
}  // namespace vila::cli
