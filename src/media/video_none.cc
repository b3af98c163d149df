// SPDX-License-Identifier: Apache-2.0
// Linked in place of video_ffmpeg.cc where FFmpeg's libraries were not found.
#include "base/error.h"
#include "media/video_reader.h"

namespace vila::media {

std::unique_ptr<VideoReader> open_video(const std::filesystem::path& path, const DecodeLimits&) {
  fail(ErrorCode::failed,
       "{}: this program was built without video: install libavformat-dev libavcodec-dev "
       "libavutil-dev libswscale-dev (apt-get install), then configure and build it again, or give "
       "a folder of pictures",
       path.string());
}

}  // namespace vila::media
