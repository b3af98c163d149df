// SPDX-License-Identifier: Apache-2.0
#include "cli/image_cache.h"

#include "media/decode.h"

namespace vila::cli {

std::shared_ptr<const media::Image> ImageCache::load(const std::filesystem::path& path) {
  const std::string key = path.lexically_normal().string();
  if (const auto found = by_path_.find(key); found != by_path_.end()) {
    rows_.splice(rows_.begin(), rows_, found->second);
    return rows_.front().second;
  }
  rows_.emplace_front(key, std::make_shared<const media::Image>(media::load_image(path)));
  by_path_[key] = rows_.begin();
  bytes_ += static_cast<int64_t>(rows_.front().second->pixels.size());
  while (bytes_ > capacity_ && rows_.size() > 1) {
    bytes_ -= static_cast<int64_t>(rows_.back().second->pixels.size());
    by_path_.erase(rows_.back().first);
    rows_.pop_back();
  }
  return rows_.front().second;
}

}  // namespace vila::cli
