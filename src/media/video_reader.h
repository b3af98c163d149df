// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "media/decode.h"
#include "media/image.h"

namespace vila::media {

/// What a video file says of itself before anything of it is decoded.
struct VideoInfo {
  int64_t frames = 0;  // packets of the video stream; a damaged one may decode to fewer
  double fps = 0;      // frames a second, as FFmpeg (and so OpenCV) guesses it; 0: not known
};

/// Decodes one video from its first frame to its last and holds one frame at a time, so that a film
/// takes no more memory than a clip. One thread.
class VideoReader {
 public:
  virtual ~VideoReader() = default;

  virtual VideoInfo info() const = 0;

  /// Goes to the next frame that can be decoded, damaged ones are left out; false behind the last.
  virtual bool advance() = 0;

  /// The frame that advance() went to, upright (the rotation that a phone records is applied), in
  /// the colours of libswscale's conversion with its default matrix: what OpenCV hands to VILA.
  virtual Image frame() = 0;
};

/// Opens a video; linked from video_ffmpeg.cc, or from video_none.cc where the program was built
/// without FFmpeg's libraries.
/// @throws Error{not_found}; Error{invalid_image}: no video, an unknown codec, larger than
/// `limits`;
///         Error{failed}: built without video, saying what to install.
std::unique_ptr<VideoReader> open_video(const std::filesystem::path& path,
                                        const DecodeLimits& limits = {});

}  // namespace vila::media
