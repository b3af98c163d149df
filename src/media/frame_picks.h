// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace vila::media {

/// How each generation chooses frames of a video.
enum class FrameRule {
  vila_1_5,        // opencv_extract_frames at 277b9f6: int(linspace(0, count - 2, n))
  nvila_training,  // opencv_extract_frames at b760c34: int(linspace(0, count - 1, n))
  nvila,           // utils/media._load_video at b760c34: round(linspace(0, count - 1, n))
  nvila_server,    // serving/server.py: int(count / n * i)
};

/// Frames of a clip and how many of them to take.
struct FrameQuestion {
  int64_t count = 0;      // frames of the clip
  int64_t wanted = 8;     // n
  double clip_fps = 0;    // of the clip; read where one of the following is > 0
  double sample_fps = 0;  // FrameRule::nvila: so many a second from the start, at most n; 0: n
  double max_fps = 0;     // FrameRule::nvila_training: at most so many a second; 0: no limit
};

/// Numbers of the frames to show, in order; the nvila rules may repeat some. Of a clip that is too
/// short, vila_1_5 puts black frames (-1) in front and nvila_training gives fewer. Empty for an
/// empty clip. @pre wanted > 0
std::vector<int64_t> pick_frames(FrameRule rule, const FrameQuestion& question);

}  // namespace vila::media
