// SPDX-License-Identifier: Apache-2.0
#include "cli/media_loader.h"

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "media/video.h"

namespace vila::cli {

void add_num_frames_option(CLI::App& app, int64_t& num_frames) {
  constexpr int64_t kMaxFrames = 65536;
  app.add_option("--num-frames", num_frames,
                 "Frames to take of a video (default: as many as the model's config says)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, kMaxFrames));
}

MediaLoader::MediaLoader(const spec::VilaConfig& config, int64_t num_frames)
    : has_vision_(config.has_vision()),
      num_frames_(num_frames),
      rule_(spec::prompt_rule(config)),
      tiles_frames_(config.tiles_frames()),
      processor_(config.image_processor),
      choice_(spec::frame_choice(config)) {}

std::shared_ptr<const media::Image> MediaLoader::image(const std::filesystem::path& path) {
  return images_.load(path);
}

std::shared_ptr<const engine::Video> MediaLoader::video(const std::filesystem::path& path,
                                                        int64_t num_frames,
                                                        const media::TimeSpan& part) {
  if (!has_vision_) {
    fail(ErrorCode::invalid_argument, "{}: this model has no vision tower for a video",
         path.string());
  }
  if (num_frames == 0) num_frames = num_frames_;
  auto& known = videos_[{path.lexically_normal().string(), num_frames, part}];
  if (const auto video = known.lock()) return video;
  media::FrameChoice choice = choice_;
  choice.part = part;
  if (num_frames > 0) choice.wanted = num_frames;
  const auto reduce = [this](const media::Image& frame) {
    return tiles_frames_ ? frame : media::process_geometry(frame, processor_);
  };
  auto video = std::make_shared<engine::Video>();
  for (media::Image& frame : media::load_frames(path, choice, reduce).frames)
    video->frames.push_back(std::make_shared<const media::Image>(std::move(frame)));
  known = video;
  return video;
}

}  // namespace vila::cli
