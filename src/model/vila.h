// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "model/decoder.h"
#include "model/kv_cache.h"
#include "ops/context.h"
#include "spec/config.h"
#include "spec/splice.h"

namespace vila::model {

/// How many tiles a picture is cut into and, for dynamic S2, the grid of its largest scale (0 x 0:
/// a picture that was not cut).
struct PictureTiles {
  int64_t tiles = 1;
  int64_t block_rows = 0;
  int64_t block_columns = 0;
};

/// Prepared pictures, their tiles one after the other.
struct MediaBatch {
  Tensor pixels;  // [tiles, 3, S, S] f32
  std::vector<PictureTiles> pictures;
  std::span<const text::TokenId> end_ids;  // embedded behind each picture: NVILA's newline
};

/// Prepared frames of one video and what their rows are pooled and parted by.
struct VideoBatch {
  Tensor pixels;  // [frames, 3, S, S] f32; join_frames() does not read them
  spec::VideoPools pools;
  std::span<const text::TokenId> end_ids;
  std::span<const text::TokenId> separator_ids{};
};

/// What tower and projector multiply with: the weights as they are stored, or 8 bits (W8A8, see
/// vision_int8.h), made of them while loading.
enum class VisionWeights { as_stored, int8 };

/// The whole model: tower, projector, decoder. Immutable after loading; calls need a Context and
/// caches of their own. A value that shares the weights.
///
/// The context's observer sees, in this order and under these names: vision.pixels,
/// vision.embeddings, vision.pre_layernorm, vision.layer.0 and so on [N, P, C] (once for each scale
/// of S2), projector_input, downsampled, projector_output [N, tokens, .], input_embeds, layer.0 and
/// so on, norm [T, D], logits [., V].
class Vila {
 public:
  /// Binds every tensor of a checkpoint to the parameter table of its config.json, packing what is
  /// quantised on the threads of `pool`.
  /// @throws Error{invalid_model} listing all missing and misshaped tensors; Error{invalid_config}.
  static Vila load(const formats::Checkpoint& checkpoint, ThreadPool& pool,
                   VisionWeights vision = VisionWeights::as_stored);

  /// The same with the config given, for weights that no file holds.
  Vila(const formats::Checkpoint& checkpoint, spec::VilaConfig config, ThreadPool& pool,
       VisionWeights vision = VisionWeights::as_stored);

  /// Opens the checkpoint `model` (formats/checkpoint.h) and loads it on one thread.
  static Vila load(const std::filesystem::path& model);

  const spec::VilaConfig& config() const;
  /// Bytes of all weights as they run.
  int64_t weight_bytes() const;
  /// Bytes of the weights that the decoder reads for each token: all of its own but the token table
  /// (which counts where it is the output matrix as well).
  int64_t decode_bytes() const;
  /// Whether the decoder's Linears, or the tower's, are packed: whether they run on the int8
  /// product.
  bool is_decoder_packed() const;
  bool is_tower_packed() const;

  /// Pictures to rows for the decoder: pixels [N, 3, S, S] f32 to [N, tokens_per_image, D].
  /// @pre config().has_vision()
  Tensor encode_images(ops::Context& ctx, const Tensor& pixels) const;

  /// What stands for each media token [t, D], in order: one for each picture, for `dynamic` tiling
  /// one for each tile. @pre config().has_vision()
  std::vector<Tensor> encode_media(ops::Context& ctx, const MediaBatch& batch) const;

  /// What stands for a video token [t, D]. @throws Error{invalid_argument} frames that the pools do
  /// not divide. @pre config().has_vision()
  Tensor encode_video(ops::Context& ctx, const VideoBatch& batch) const;

  /// The same of frames [frames, tokens_per_image, D] that encode_images() has already seen, so
  /// that a long video needs no memory for all pictures at once.
  Tensor join_frames(ops::Context& ctx, const Tensor& frames, const VideoBatch& batch) const;

  /// Input rows [layout.length, D] of a prompt: text embeddings with the pictures' rows, as
  /// encode_images() or encode_media() give them, spliced in.
  Tensor embed(ops::Context& ctx, std::span<const text::TokenId> ids, const spec::Splice& layout,
               std::span<const Tensor> images) const;
  Tensor embed(ops::Context& ctx, std::span<const text::TokenId> ids) const;

  /// One step of the decoder for a packed batch. rows [T, D]: the new rows of all sequences, one
  /// after the other; sequences[i] says how many are its own. Appends to each cache.
  /// @return logits [sequences, V] of the last row of each; or of all rows [T, V] when `all_rows`.
  Tensor decode(ops::Context& ctx, const Tensor& rows, std::span<const SequenceStep> sequences,
                bool all_rows = false) const;

 private:
  struct Parts;

  Tensor tower(ops::Context& ctx, const Tensor& pixels) const;
  Tensor static_s2(ops::Context& ctx, const Tensor& pixels) const;
  Tensor dynamic_s2(ops::Context& ctx, const Tensor& features,
                    std::span<const PictureTiles> pictures) const;
  Tensor encode_tiles(ops::Context& ctx, const Tensor& pixels,
                      std::span<const PictureTiles> pictures) const;

  std::shared_ptr<const Parts> parts_;
};

}  // namespace vila::model
