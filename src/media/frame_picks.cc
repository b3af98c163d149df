// SPDX-License-Identifier: Apache-2.0
#include "media/frame_picks.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace vila::media {
namespace {

/// numpy.linspace(0, last, n).
std::vector<double> spread(int64_t last, int64_t n) {
  std::vector<double> places;
  const auto end = static_cast<double>(last);
  const double step = n > 1 ? end / static_cast<double>(n - 1) : 0;
  for (int64_t i = 0; i < n; ++i)
    places.push_back(static_cast<double>(i) * step);
  if (n > 1) places.back() = end;
  return places;
}

std::vector<int64_t> cut(const std::vector<double>& places) {
  std::vector<int64_t> picks;
  for (const double place : places)
    picks.push_back(static_cast<int64_t>(place));
  return picks;
}

/// Halves go to the even neighbour, as numpy rounds.
std::vector<int64_t> rounded(const std::vector<double>& places) {
  std::vector<int64_t> picks;
  for (const double place : places)
    picks.push_back(static_cast<int64_t>(std::nearbyint(place)));
  return picks;
}

std::vector<int64_t> first_frames(int64_t count) {
  return cut(spread(count - 1, count));
}

/// All frames behind black ones that fill up what is missing.
std::vector<int64_t> pad_in_front(const FrameQuestion& question) {
  std::vector<int64_t> picks(static_cast<size_t>(question.wanted - question.count), -1);
  const std::vector<int64_t> all = first_frames(question.count);
  picks.insert(picks.end(), all.begin(), all.end());
  return picks;
}

/// Times 0, 1 / fps, 2 / fps and so on, as frame numbers.
std::vector<int64_t> at_rate(const FrameQuestion& question) {
  std::vector<int64_t> picks;
  for (int64_t i = 0; i < question.wanted; ++i) {
    const double seconds = static_cast<double>(i) / question.sample_fps;
    const auto frame = static_cast<int64_t>(seconds * question.clip_fps);
    if (frame >= question.count) break;
    picks.push_back(frame);
  }
  return picks;
}

/// Of a clip too short for `wanted` frames at `max_fps` so many as that rate gives, but two; all of
/// it where it has no more frames than that.
std::vector<int64_t> in_training(const FrameQuestion& question) {
  int64_t wanted = question.wanted;
  if (question.max_fps > 0 && question.clip_fps > 0) {
    const double seconds = static_cast<double>(question.count) / question.clip_fps;
    if (seconds < static_cast<double>(wanted) / question.max_fps) {
      wanted = std::max<int64_t>(2, static_cast<int64_t>(seconds * question.max_fps));
    }
  }
  if (question.count <= wanted) return first_frames(question.count);
  return cut(spread(question.count - 1, wanted));
}

std::vector<int64_t> every_share(const FrameQuestion& question) {
  std::vector<int64_t> picks;
  const double share = static_cast<double>(question.count) / static_cast<double>(question.wanted);
  for (int64_t i = 0; i < question.wanted; ++i)
    picks.push_back(static_cast<int64_t>(share * static_cast<double>(i)));
  return picks;
}

}  // namespace

std::vector<int64_t> pick_frames(FrameRule rule, const FrameQuestion& question) {
  VILA_CHECK(question.wanted > 0, "{} frames wanted", question.wanted);
  if (question.count <= 0) return {};
  switch (rule) {
    case FrameRule::vila_1_5:
      // Of exactly n frames the reference reads the last but one twice and gives up: all are shown.
      if (question.count <= question.wanted) return pad_in_front(question);
      return cut(spread(question.count - 2, question.wanted));
    case FrameRule::nvila_training:
      return in_training(question);
    case FrameRule::nvila:
      if (question.sample_fps > 0) return at_rate(question);
      return rounded(spread(question.count - 1, question.wanted));
    case FrameRule::nvila_server:
      break;
  }
  return every_share(question);
}

}  // namespace vila::media
