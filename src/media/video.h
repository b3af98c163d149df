// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "media/frame_picks.h"
#include "media/image.h"

namespace vila::media {

/// A part of a video, in seconds from its start. A value.
struct TimeSpan {
  double begin = 0;
  double end = 0;  // 0: to the end of the video

  auto operator<=>(const TimeSpan&) const = default;
};

/// Which frames of a video are wanted.
struct FrameChoice {
  FrameRule rule = FrameRule::nvila;
  int64_t wanted = 8;     // n
  double sample_fps = 0;  // see FrameQuestion
  double max_fps = 0;
  TimeSpan part{};  // of a file: the rule is applied to its frames alone, from the one nearest to
                    // `begin` to the one nearest to `end`, at least one
};

/// Makes of a whole frame what is kept of it, e.g. the small square that the tower sees.
using FrameUse = std::function<Image(const Image& frame)>;

/// Frames of a video as they are shown, and where in it they stand.
struct VideoFrames {
  std::vector<Image> frames;     // as FrameUse left them
  std::vector<int64_t> numbers;  // of each, from 0; -1: a black one
  int64_t count = 0;             // frames that the video has
  double fps = 0;                // 0: not known
};

/// The chosen frames of a video file, or of a folder of pictures in the order of their names, each
/// reduced by `use` as soon as it is decoded: no more than one whole frame is held. A frame that
/// the rule repeats is decoded once; what the rule fills up with is black and of the first frame's
/// size.
///
/// Where a damaged file decodes to fewer frames than it announces, the rule is applied to those
/// that there are. (The references differ there: black pictures, or fewer frames than the prompt
/// has places, which then fails.)
/// @throws Error{not_found}; Error{invalid_image}: no video, or none of its frames can be decoded;
///         Error{failed}: built without video.
VideoFrames load_frames(const std::filesystem::path& path, const FrameChoice& choice,
                        const FrameUse& use);

}  // namespace vila::media
