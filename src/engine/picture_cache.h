// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/request.h"
#include "model/vila.h"

namespace vila::engine {

/// Pictures as rows of the language model, each encoded once while its owner keeps it (several
/// requests, turns of a conversation). Bounded: the longest unused go first. One thread.
class PictureCache {
 public:
  using ImagePointer = std::shared_ptr<const media::Image>;

  explicit PictureCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Rows [tokens_per_image, D] of each picture, in order, owning their memory. Adds to
  /// timings.media and timings.vision what it took.
  /// @throws Error{invalid_argument} a null picture; Error{invalid_image}.
  std::vector<Tensor> encode(const model::Vila& model, ops::Context& ctx,
                             std::span<const ImagePointer> images, Timings& timings);

 private:
  struct Entry {
    std::weak_ptr<const media::Image> image;
    Tensor rows;
    uint64_t last_use = 0;
  };

  void encode_group(const model::Vila& model, ops::Context& ctx,
                    std::span<const ImagePointer> group, Timings& timings);
  void drop_expired();
  void shrink();

  std::map<const media::Image*, Entry> entries_;
  size_t max_bytes_;
  uint64_t clock_ = 0;
};

}  // namespace vila::engine
