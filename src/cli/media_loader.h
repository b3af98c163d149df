// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "cli/image_cache.h"
#include "engine/request.h"
#include "media/video.h"
#include "spec/config.h"
#include "spec/prompt.h"

namespace CLI {
class App;
}

namespace vila::cli {

/// Registers --num-frames.
void add_num_frames_option(CLI::App& app, int64_t& num_frames);

/// Pictures and videos of requests as one model takes them, each decoded once while something holds
/// it. One thread.
class MediaLoader {
 public:
  /// @param num_frames  of each video; 0: as many as the config says.
  explicit MediaLoader(const spec::VilaConfig& config, int64_t num_frames = 0);

  /// @throws Error{not_found | invalid_image}
  std::shared_ptr<const media::Image> image(const std::filesystem::path& path);

  /// The chosen frames of a video file or a folder of pictures, each reduced to what the tower
  /// sees.
  /// @param num_frames  0: that of the constructor.
  /// @param part        of a file; all of it by default.
  /// @throws Error{invalid_argument} a model without tower; else as media::load_frames().
  std::shared_ptr<const engine::Video> video(const std::filesystem::path& path,
                                             int64_t num_frames = 0,
                                             const media::TimeSpan& part = {});

  /// How the model writes media into prompts.
  const spec::PromptRule& prompt_rule() const { return rule_; }

 private:
  bool has_vision_;
  int64_t num_frames_;
  spec::PromptRule rule_;
  bool tiles_frames_;  // frames are kept whole
  media::ProcessorConfig processor_;
  media::FrameChoice choice_;
  ImageCache images_;
  // By path, number of frames and part.
  std::map<std::tuple<std::string, int64_t, media::TimeSpan>, std::weak_ptr<const engine::Video>>
      videos_;
};

}  // namespace vila::cli
