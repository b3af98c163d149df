// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "media/video_reader.h"
#include "support/expect_error.h"

namespace vila::media {
namespace {

TEST(VideoNone, SaysWhatToInstall) {
  for (const char* part : {"clip.mp4", "libavformat-dev", "libswscale-dev"})
    test::expect_error(ErrorCode::failed, part, [] { open_video("clip.mp4"); });
}

}  // namespace
}  // namespace vila::media
