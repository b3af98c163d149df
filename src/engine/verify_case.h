// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "spec/config.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// How the pictures of a prompt reach the model.
enum class Route { pictures, video_pooled, video_basic };

/// A prompt and what the reference made of it.
struct Prompt {
  std::string name;
  std::string text;
  std::vector<std::filesystem::path> images;  // or the frames of a video
  std::vector<text::TokenId> ids;
  std::vector<text::TokenId> greedy_ids;
  int64_t length = 0;
  Route route = Route::pictures;
  bool is_tiled = false;  // the one picture is cut into tiles
};

/// Other pools that a video case records: "pools.2x2x2+8x1x1".
struct OtherPools {
  std::string name;
  spec::VideoPools pools;
};

/// A recorded case.
struct Case {
  std::vector<Prompt> prompts;
  std::vector<OtherPools> other_pools;
  std::string separator;
};

/// Reads inputs/prompt.json of a case's folder; pictures and frames as paths.
/// @throws Error{not_found | invalid_data}
Case read_case(const std::filesystem::path& folder);

}  // namespace vila::engine
