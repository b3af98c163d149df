// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "spec/config.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// A request as its model takes it: every video is one token, or a picture for each of its frames.
struct MediaPrompt {
  std::string text;
  std::vector<std::shared_ptr<const media::Image>> images;  // in the order of their "<image>"
  std::vector<std::shared_ptr<const Video>> videos;         // behind one token each
  bool has_frames = false;  // some of the images are frames: none of them is cut into tiles
};

/// Spreads the videos of a request into frames where the model has no token for them.
/// @throws Error{invalid_argument} giving both counts when placeholders and media differ; a video
///         without frames.
MediaPrompt lay_out_media(const Request& request, const spec::VilaConfig& config);

/// The least number of rows that each media token of `ids` takes, in order, so that a prompt which
/// cannot fit is refused before the tower runs. `end_rows` stand behind each picture or frame.
/// Tokens beyond the media count as pictures.
std::vector<int64_t> least_media_rows(std::span<const text::TokenId> ids, const MediaPrompt& prompt,
                                      const spec::VilaConfig& config, int64_t end_rows);

}  // namespace vila::engine
