// SPDX-License-Identifier: Apache-2.0
#include "media/video.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "media/decode.h"
#include "media/video_reader.h"

namespace vila::media {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBlack = -1;  // of pick_frames()

/// Frame numbers [first, last].
struct FrameSpan {
  int64_t first = 0;
  int64_t last = 0;
};

FrameSpan frames_of_part(const TimeSpan& part, int64_t count, double clip_fps) {
  if (clip_fps <= 0) return {0, count - 1};  // a rate that is not known
  const auto frame_at = [&](double seconds) {
    return static_cast<int64_t>(
        std::clamp(std::round(seconds * clip_fps), 0.0, static_cast<double>(count - 1)));
  };
  const int64_t first = frame_at(part.begin);
  return {first, part.end > 0 ? std::max(first, frame_at(part.end)) : count - 1};
}

std::vector<int64_t> picks_of(const FrameChoice& choice, int64_t count, double clip_fps) {
  if (count == 0) return {};
  const FrameSpan span = frames_of_part(choice.part, count, clip_fps);
  std::vector<int64_t> picks = pick_frames(choice.rule, {.count = span.last - span.first + 1,
                                                         .wanted = choice.wanted,
                                                         .clip_fps = clip_fps,
                                                         .sample_fps = choice.sample_fps,
                                                         .max_fps = choice.max_fps});
  for (int64_t& pick : picks)
    pick += pick == kBlack ? 0 : span.first;
  return picks;
}

/// Frames in the order of ascending picks; whatever is missing in front is black.
class Collector {
 public:
  Collector(const std::vector<int64_t>& picks, const FrameUse& use) : picks_(picks), use_(use) {}

  bool is_complete() const { return frames_.size() == picks_.size(); }

  bool wants(int64_t number) const { return !is_complete() && next() <= number; }

  void take(const Image& frame, int64_t number) {
    if (!is_complete() && next() == kBlack) {
      const Image black = use_(Image(frame.width, frame.height));
      while (!is_complete() && next() == kBlack)
        frames_.push_back(black);
    }
    if (!wants(number)) return;
    const Image reduced = use_(frame);
    while (!is_complete() && next() == number)
      frames_.push_back(reduced);
  }

  std::vector<Image> result() && { return std::move(frames_); }

 private:
  int64_t next() const { return picks_[frames_.size()]; }

  const std::vector<int64_t>& picks_;
  const FrameUse& use_;
  std::vector<Image> frames_;
};

/// What one pass through a file gives: the frames, or the number of those that could be decoded.
struct Pass {
  std::optional<std::vector<Image>> frames;
  int64_t decoded = 0;
};

Pass read_through(VideoReader& reader, const std::vector<int64_t>& picks, const FrameUse& use) {
  Collector collector(picks, use);
  Pass pass;
  while (!collector.is_complete() && reader.advance()) {
    if (collector.wants(pass.decoded)) collector.take(reader.frame(), pass.decoded);
    ++pass.decoded;
  }
  if (collector.is_complete()) pass.frames = std::move(collector).result();
  return pass;
}

VideoFrames frames_of_file(const fs::path& path, const FrameChoice& choice, const FrameUse& use) {
  std::unique_ptr<VideoReader> reader = open_video(path);
  const VideoInfo info = reader->info();
  Pass pass;
  for (int64_t count = info.frames; count > 0; count = pass.decoded) {
    if (reader == nullptr) reader = open_video(path);
    std::vector<int64_t> picks = picks_of(choice, count, info.fps);
    pass = read_through(*reader, picks, use);
    if (pass.frames) return {*std::move(pass.frames), std::move(picks), count, info.fps};
    reader.reset();
    if (pass.decoded == count) break;
  }
  fail(ErrorCode::invalid_image, "{}: expected a video, found no frame that can be decoded",
       path.string());
}

VideoFrames frames_of_folder(const fs::path& folder, const FrameChoice& choice,
                             const FrameUse& use) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  // Pictures have no rate: the wanted number is spread over all of them.
  FrameChoice spread = choice;
  spread.sample_fps = spread.max_fps = 0;
  spread.part = {};
  const std::vector<int64_t> picks = picks_of(spread, std::ssize(files), 0);
  if (picks.empty()) {
    fail(ErrorCode::invalid_image, "{}: expected a folder of pictures, found no file in it",
         folder.string());
  }
  Collector collector(picks, use);
  for (int64_t i = 0; i < std::ssize(files); ++i) {
    if (collector.wants(i)) collector.take(load_image(files[static_cast<size_t>(i)]), i);
  }
  return {std::move(collector).result(), picks, std::ssize(files), 0};
}

}  // namespace

VideoFrames load_frames(const fs::path& path, const FrameChoice& choice, const FrameUse& use) {
  if (fs::is_directory(path)) return frames_of_folder(path, choice, use);
  return frames_of_file(path, choice, use);
}

}  // namespace vila::media
