// SPDX-License-Identifier: Apache-2.0
#include "engine/verify_case.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "media/frame_picks.h"

namespace vila::engine {
namespace {

using Ids = std::vector<text::TokenId>;

// So many pictures of a folder, in the order of their names, chosen as frames of a video.
std::vector<std::filesystem::path> frames_of(const std::filesystem::path& folder, int64_t wanted) {
  std::vector<std::filesystem::path> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    all.push_back(entry.path());
  std::ranges::sort(all);
  std::vector<std::filesystem::path> frames;
  for (const int64_t i :
       media::pick_frames(media::FrameRule::nvila, {.count = std::ssize(all), .wanted = wanted})) {
    frames.push_back(all[static_cast<size_t>(i)]);
  }
  return frames;
}

// "images", or the pictures and videos among the parts of "content".
std::vector<std::filesystem::path> media_of(const Json& item, const std::filesystem::path& folder,
                                            int64_t num_frames) {
  std::vector<std::filesystem::path> paths;
  if (item.contains("images")) {
    for (const Json& image : item.at("images"))
      paths.push_back(folder / image.get<std::string>());
    return paths;
  }
  for (const Json& part : item.at("content")) {
    if (part.is_string()) continue;
    if (part.contains("image")) {
      paths.push_back(folder / part.at("image").get<std::string>());
    } else {
      paths = frames_of(folder / part.at("video").get<std::string>(), num_frames);
    }
  }
  return paths;
}

Route route_of(const Json& item) {
  if (!item.contains("video_encoder") || item.at("video_encoder").is_null()) return Route::pictures;
  return item.at("video_encoder") == "TSPVideoEncoder" ? Route::video_pooled : Route::video_basic;
}

std::string pools_name(const spec::VideoPools& pools) {
  std::string name = "pools.";
  for (const auto& pool : pools) {
    name += fmt::format("{}{}", name.back() == '.' ? "" : "+", fmt::join(pool, "x"));
  }
  return name;
}

Prompt read_prompt(const Json& item, const std::filesystem::path& folder, int64_t num_frames) {
  return {.name = item.at("name").get<std::string>(),
          .text = item.at("prompt").get<std::string>(),
          .images = media_of(item, folder, num_frames),
          .ids = item.at("input_ids").get<Ids>(),
          .greedy_ids = item.at("greedy_ids").get<Ids>(),
          .length = item.at("sequence_length").get<int64_t>(),
          .route = route_of(item),
          .is_tiled = item.value("path", "") == "tiled"};
}

}  // namespace

Case read_case(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "inputs" / "prompt.json";
  const Json json = parse_json(read_file(path), path.string());
  Case recorded;
  try {
    const auto num_frames = std::max<int64_t>(1, json.value("num_video_frames", int64_t{8}));
    for (const Json& item : json.at("prompts"))
      recorded.prompts.push_back(read_prompt(item, folder, num_frames));
    for (const Json& item : json.value("other_pool_sizes", Json::array())) {
      const auto pools = item.get<spec::VideoPools>();
      recorded.other_pools.push_back({pools_name(pools), pools});
    }
    recorded.separator = json.value("other_pools_separator", "");
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::invalid_data, "{}: not a recorded case: {}", path.string(), error.what());
  }
  return recorded;
}

}  // namespace vila::engine
