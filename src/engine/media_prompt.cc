// SPDX-License-Identifier: Apache-2.0
#include "engine/media_prompt.h"

#include "base/error.h"
#include "spec/prompt.h"

namespace vila::engine {
namespace {

void check_counts(const Request& request) {
  const spec::MediaCount places = spec::count_media(request.prompt);
  if (places.images != std::ssize(request.images)) {
    fail(ErrorCode::invalid_argument,
         "prompt: expected one <image> for each picture, found {} <image> and {} picture(s)",
         places.images, request.images.size());
  }
  if (!request.videos.empty() && places.videos != std::ssize(request.videos)) {
    fail(ErrorCode::invalid_argument,
         "prompt: expected one {} for each video, found {} and {} video(s)",
         spec::kVideoPlaceholder, places.videos, request.videos.size());
  }
  for (const auto& video : request.videos) {
    if (video == nullptr || video->frames.empty()) {
      fail(ErrorCode::invalid_argument, "a video of the request has no frames");
    }
  }
}

// Pictures and frames in the order in which their placeholders stand.
void take_in_order(const Request& request, MediaPrompt& prompt) {
  const std::string_view text = request.prompt;
  size_t image = 0;
  size_t video = 0;
  for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with(spec::kImagePlaceholder)) {
      prompt.images.push_back(request.images[image++]);
    } else if (rest.starts_with(spec::kVideoPlaceholder)) {
      const auto& frames = request.videos[video++]->frames;
      prompt.images.insert(prompt.images.end(), frames.begin(), frames.end());
    }
  }
}

// Rows of a video behind one token: those of each pooling, with its ends.
int64_t video_rows(int64_t frames, const spec::VilaConfig& config, int64_t end_rows) {
  int64_t rows = 0;
  for (const auto& [time, height, width] : config.video_pools)
    rows += frames / time * (config.tokens_per_image() / (height * width) + end_rows);
  return rows;
}

}  // namespace

MediaPrompt lay_out_media(const Request& request, const spec::VilaConfig& config) {
  check_counts(request);
  const spec::PromptRule rule = spec::prompt_rule(config);
  MediaPrompt prompt{.text = request.prompt, .images = {}, .videos = {}};
  if (request.videos.empty() || rule.has_video_token) {
    prompt.images = request.images;
    prompt.videos = request.videos;
    return prompt;
  }
  take_in_order(request, prompt);
  std::vector<int64_t> frames;
  for (const auto& video : request.videos)
    frames.push_back(std::ssize(video->frames));
  prompt.text = spec::spread_videos(request.prompt, frames, rule);
  prompt.has_frames = true;
  return prompt;
}

std::vector<int64_t> least_media_rows(std::span<const text::TokenId> ids, const MediaPrompt& prompt,
                                      const spec::VilaConfig& config, int64_t end_rows) {
  std::vector<int64_t> rows;
  size_t video = 0;
  for (const text::TokenId id : ids) {
    if (!spec::is_media_token(id)) continue;
    const bool is_video = id == spec::kVideoToken && video < prompt.videos.size();
    rows.push_back(is_video
                       ? video_rows(std::ssize(prompt.videos[video++]->frames), config, end_rows)
                       : config.tokens_per_image() + end_rows);
  }
  return rows;
}

}  // namespace vila::engine
