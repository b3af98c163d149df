// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "media/image.h"

namespace vila::cli {

/// Decoded pictures by path, so that a picture which several requests name is decoded once, and is
/// the same pointer for the engine, which then encodes it once. Forgets those not used for longest
/// above `capacity` bytes. One thread.
class ImageCache {
 public:
  explicit ImageCache(int64_t capacity = int64_t{256} << 20) : capacity_(capacity) {}

  /// @throws Error{not_found | invalid_image}
  std::shared_ptr<const media::Image> load(const std::filesystem::path& path);

 private:
  using Row = std::pair<std::string, std::shared_ptr<const media::Image>>;

  int64_t capacity_;
  int64_t bytes_ = 0;
  std::list<Row> rows_;  // last used in front
  std::map<std::string, std::list<Row>::iterator, std::less<>> by_path_;
};

}  // namespace vila::cli
