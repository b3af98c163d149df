// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/request.h"
#include "engine/row_store.h"
#include "model/vila.h"

namespace vila::engine {

/// The pictures of a request as rows of the language model.
struct EncodedPictures {
  std::vector<Tensor> media;    // [t, D] for each media token, owning
  std::vector<int64_t> tokens;  // how many media tokens each picture takes: its tiles, or 1
};

/// Squares (pictures or tiles) that go through the tower together, at most: few enough to keep the
/// activations of a layer modest.
int64_t squares_of_group(const spec::VilaConfig& config);

/// Pictures as rows of the language model, each encoded once while its owner keeps it (several
/// requests, turns of a conversation). Bounded: the longest unused go first. One thread.
class PictureCache {
 public:
  using ImagePointer = std::shared_ptr<const media::Image>;
  using VideoPointer = std::shared_ptr<const Video>;

  /// What to encode, by what.
  struct Job {
    const model::Vila& model;
    ops::Context& ctx;
    std::span<const ImagePointer> images;
    std::span<const text::TokenId> end_ids;  // behind each picture
    bool may_tile = true;                    // false: no picture is cut into tiles
  };

  explicit PictureCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Rows of pictures (not of videos) come from `store` where it has them. nullptr: no store.
  void keep_in(std::shared_ptr<RowStore> store) { store_ = std::move(store); }

  /// Rows of each picture, in order. A single picture of a model with dynamic tiles is cut, several
  /// are not. Adds to timings.media and timings.vision what it took.
  /// @throws Error{invalid_argument} a null picture; Error{invalid_image}.
  EncodedPictures encode(const Job& job, Timings& timings);

  /// Rows [t, D] of a video behind one token, encoded in groups of frames (their tiles, where
  /// VilaConfig::tiles_frames()) and pooled as the model's config says. job.images is not read.
  /// @throws Error{invalid_argument} frames that the pools do not divide; Error{invalid_image}.
  Tensor encode_video(const Job& job, const VideoPointer& video, Timings& timings);

 private:
  using Key = std::pair<const void*, bool>;  // and whether it was cut into tiles

  struct Entry {
    std::weak_ptr<const void> owner;
    std::vector<Tensor> media;
    uint64_t last_use = 0;
  };

  void encode_group(const Job& job, std::span<const ImagePointer> group, bool is_tiled,
                    Timings& timings);
  Tensor encode_frames(const Job& job, const Video& video, Timings& timings) const;
  Tensor encode_squares(const Job& job, std::span<const ImagePointer> squares,
                        Timings& timings) const;

  // A picture of a group that has to be computed; the key is "" without a store.
  struct Pending {
    ImagePointer image;
    std::string key;
  };

  bool take_stored(const ImagePointer& image, bool is_tiled, const std::string& key);
  void drop_expired();
  void shrink();

  std::map<Key, Entry> entries_;
  size_t max_bytes_;
  uint64_t clock_ = 0;
  std::shared_ptr<RowStore> store_;
};

}  // namespace vila::engine
