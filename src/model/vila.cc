// SPDX-License-Identifier: Apache-2.0
#include "model/vila.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "base/error.h"
#include "model/multi_scale.h"
#include "model/projector.h"
#include "model/video.h"
#include "model/vision_int8.h"
#include "model/vit.h"
#include "model/weights.h"
#include "spec/parameters.h"

namespace vila::model {
namespace {

// The place of kVisionPrefix, which ends in a dot.
Weights tower_weights(const Weights& root) {
  const std::string_view prefix = spec::kVisionPrefix;
  return root / prefix.substr(0, prefix.size() - 1);
}

int64_t decoder_bytes(const Weights& root, bool is_tied) {
  const Weights model = root / "model";
  const Weights head = is_tied ? model / "embed_tokens" : root / "lm_head";
  return (model / "layers").bytes() + (model / "norm").bytes() + head.bytes();
}

// Tiles [first, first + rows * columns) of a batch.
TileGrid grid_from(int64_t first, int64_t rows, int64_t columns) {
  TileGrid grid{.rows = rows, .columns = columns, .tiles = {}};
  grid.tiles.resize(static_cast<size_t>(rows * columns));
  std::iota(grid.tiles.begin(), grid.tiles.end(), first);
  return grid;
}

// a's rows, then b's; b may be undefined.
Tensor join_rows(ops::Context& ctx, const Tensor& a, const Tensor& b) {
  if (!b.defined()) return a;
  Tensor rows = arena_tensor(ctx.arena, DType::f32, {a.dim(0) + b.dim(0), a.dim(1)});
  std::copy_n(a.data<float>(), a.numel(), rows.data<float>());
  std::copy_n(b.data<float>(), b.numel(), rows.data<float>() + a.numel());
  return rows;
}

}  // namespace

struct Vila::Parts {
  Parts(const Weights& w, spec::VilaConfig c)
      : config(std::move(c)),
        weight_bytes(w.bytes()),
        decode_bytes(decoder_bytes(w, config.llm.tie_word_embeddings)),
        is_decoder_packed((w / "model" / "layers").has_packed()),
        is_tower_packed((tower_weights(w) / "encoder").has_packed()),
        decoder(w, config.llm, config.model_max_length) {
    if (!config.has_vision()) return;
    vision_tower.emplace(tower_weights(w), config);
    mm_projector.emplace(w, config);
  }

  spec::VilaConfig config;
  int64_t weight_bytes;
  int64_t decode_bytes;
  bool is_decoder_packed;
  bool is_tower_packed;
  std::optional<Vit> vision_tower;
  std::optional<Projector> mm_projector;
  Decoder decoder;
};

Vila::Vila(const formats::Checkpoint& checkpoint, spec::VilaConfig config, ThreadPool& pool,
           VisionWeights vision) {
  Weights weights = Weights::bind(checkpoint, config, pool);
  if (vision == VisionWeights::int8 && config.has_vision()) {
    weights = weights.with(int8_vision(weights, config, {}, pool));
  }
  parts_ = std::make_shared<const Parts>(weights, std::move(config));
}

Vila Vila::load(const formats::Checkpoint& checkpoint, ThreadPool& pool, VisionWeights vision) {
  return Vila(checkpoint, spec::read_config(checkpoint.folder, checkpoint.vision_folder), pool,
              vision);
}

Vila Vila::load(const std::filesystem::path& model) {
  ThreadPool alone(1);
  return load(formats::open_checkpoint(model), alone);
}

const spec::VilaConfig& Vila::config() const {
  return parts_->config;
}

int64_t Vila::weight_bytes() const {
  return parts_->weight_bytes;
}

int64_t Vila::decode_bytes() const {
  return parts_->decode_bytes;
}

bool Vila::is_decoder_packed() const {
  return parts_->is_decoder_packed;
}

bool Vila::is_tower_packed() const {
  return parts_->is_tower_packed;
}

// Features of tiles [B, tokens, C]; S2's pictures are cut first.
Tensor Vila::tower(ops::Context& ctx, const Tensor& pixels) const {
  const Tensor features = (*parts_->vision_tower)(ctx, pixels);  // [B * tokens, C] (2-7)
  return features.reshape({pixels.dim(0), parts_->config.tower_tokens(), -1});
}

// Each scale through the tower in tiles, stitched, pooled to the first's map, stacked   (7b)
Tensor Vila::static_s2(ops::Context& ctx, const Tensor& pixels) const {
  const spec::MultiScale& s2 = *parts_->config.s2;
  const int64_t pictures = pixels.dim(0);
  const int64_t side =
      map_side(parts_->config.tower_tokens()) * s2.sides[static_cast<size_t>(s2.output)] / s2.tile;
  std::vector<std::vector<Tensor>> maps(static_cast<size_t>(pictures));
  for (const int64_t scale : s2.sides) {
    const int64_t count = scale / s2.tile;
    const Tensor features =
        tower(ctx, split_tiles(ctx, resize_bicubic(ctx, pixels, scale), s2.tile));
    for (int64_t n = 0; n < pictures; ++n) {
      TileGrid grid = grid_from(0, count, count);
      for (int64_t& tile : grid.tiles)
        tile = tile * pictures + n;
      maps[static_cast<size_t>(n)].push_back(
          pool_area(ctx, stitch_tiles(ctx, features, grid), side, side));
    }
  }
  const Tensor first = stack_channels(ctx, maps.front());
  Tensor stacked = arena_tensor(ctx.arena, DType::f32, {pictures, side * side, first.dim(2)});
  for (int64_t n = 0; n < pictures; ++n) {
    const Tensor map = stack_channels(ctx, maps[static_cast<size_t>(n)]);
    std::memcpy(stacked.rows(n, n + 1).raw(), map.raw(), map.nbytes());
  }
  return stacked;  // [N, side^2, scales * C]
}

// The same where the largest scale has a grid of its own, cut again into the tiles of the output
// scale; a picture that was not cut repeats its features for each scale   (7c)
Tensor Vila::dynamic_s2(ops::Context& ctx, const Tensor& features,
                        std::span<const PictureTiles> pictures) const {
  const spec::MultiScale& s2 = *parts_->config.s2;
  const int64_t side = map_side(features.dim(1));
  std::vector<Tensor> parts;
  int64_t first = 0;
  for (const PictureTiles& picture : pictures) {
    const bool is_cut = picture.block_rows > 0;
    std::vector<Tensor> maps;
    int64_t tile = first;
    for (size_t i = 0; i < s2.sides.size(); ++i) {
      const bool is_last = i + 1 == s2.sides.size();
      const int64_t count = is_cut ? s2.sides[i] / s2.tile : 1;
      const TileGrid grid = is_cut && is_last
                                ? grid_from(tile, picture.block_rows, picture.block_columns)
                                : grid_from(tile, count, count);
      maps.push_back(stitch_tiles(ctx, features, grid));
      if (is_cut) tile += grid.rows * grid.columns;
    }
    const Tensor& target = maps[static_cast<size_t>(s2.output)];
    for (Tensor& map : maps)
      map = pool_area(ctx, map, target.dim(0), target.dim(1));
    parts.push_back(cut_map(ctx, stack_channels(ctx, maps), side));
    first += picture.tiles;
  }
  Tensor all = parts.front().reshape({-1, parts.front().dim(2)});
  for (size_t i = 1; i < parts.size(); ++i)
    all = join_rows(ctx, all, parts[i].reshape({-1, all.dim(1)}));
  return all.reshape({-1, side * side, all.dim(1)});  // [blocks, side^2, scales * C]
}

Tensor Vila::encode_tiles(ops::Context& ctx, const Tensor& pixels,
                          std::span<const PictureTiles> pictures) const {
  const spec::VilaConfig& config = parts_->config;
  VILA_CHECK(config.has_vision(), "a model without tower was given pictures");
  const bool is_static = config.s2 && !config.s2->is_dynamic;
  Tensor features = is_static ? static_s2(ctx, pixels) : tower(ctx, pixels);
  if (config.s2 && !is_static) features = dynamic_s2(ctx, features, pictures);
  ctx.observe("projector_input", features);
  const int64_t count = features.dim(0);
  const Tensor rows = (*parts_->mm_projector)(ctx, features.reshape({-1, features.dim(2)}), count)
                          .reshape({count, config.tokens_per_image(), -1});
  ctx.observe("projector_output", rows);
  return rows;  // [B, tokens, D] (8)
}

Tensor Vila::encode_images(ops::Context& ctx, const Tensor& pixels) const {
  const std::vector<PictureTiles> single(static_cast<size_t>(pixels.dim(0)));
  return encode_tiles(ctx, pixels, single);
}

std::vector<Tensor> Vila::encode_media(ops::Context& ctx, const MediaBatch& batch) const {
  const Tensor tiles = encode_tiles(ctx, batch.pixels, batch.pictures);  // [B, tokens, D]
  const Tensor end = batch.end_ids.empty() ? Tensor() : embed(ctx, batch.end_ids);
  const int64_t width = tiles.dim(2);
  std::vector<Tensor> media;
  int64_t tile = 0;
  for (const PictureTiles& picture : batch.pictures) {
    const bool is_block = picture.block_rows > 0;
    const int64_t count = is_block ? 1 : picture.tiles;
    for (int64_t i = 0; i < count; ++i) {
      const TileGrid grid = is_block ? grid_from(tile, picture.block_rows, picture.block_columns)
                                     : grid_from(tile, 1, 1);
      const Tensor rows = is_block ? stitch_tiles(ctx, tiles, grid) : tiles.rows(tile, tile + 1);
      media.push_back(join_rows(ctx, rows.reshape({-1, width}), end));  // (9b)
      tile += grid.rows * grid.columns;
    }
  }
  return media;
}

Tensor Vila::encode_video(ops::Context& ctx, const VideoBatch& batch) const {
  return join_frames(ctx, encode_images(ctx, batch.pixels), batch);
}

Tensor Vila::join_frames(ops::Context& ctx, const Tensor& frames, const VideoBatch& batch) const {
  VideoEnds ends;
  if (!batch.end_ids.empty()) ends.end = embed(ctx, batch.end_ids);
  if (!batch.separator_ids.empty()) ends.separator = embed(ctx, batch.separator_ids);
  return pool_video(ctx, frames, batch.pools, ends);  // (9c)
}

// Row p is the embedding of a token or a row of a picture, in the order of the prompt   (9)
Tensor Vila::embed(ops::Context& ctx, std::span<const text::TokenId> ids,
                   const spec::Splice& layout, std::span<const Tensor> images) const {
  VILA_CHECK(layout.images == static_cast<int64_t>(images.size()));
  const int64_t width = parts_->config.llm.hidden_size;
  Tensor rows = arena_tensor(ctx.arena, DType::f32, {layout.length, width});  // [T, D]
  for (const spec::Segment& segment : layout.segments) {
    ArenaScope scope(ctx.arena);
    const auto source = static_cast<size_t>(segment.source);
    const Tensor part =
        segment.is_image
            ? images[source]
            : parts_->decoder.embed(ctx, ids.subspan(source, static_cast<size_t>(segment.rows)));
    VILA_CHECK(part.numel() == segment.rows * width, "{}", part.text());
    std::memcpy(rows.data<float>() + segment.begin * width, part.data<float>(), part.nbytes());
  }
  ctx.observe("input_embeds", rows);
  return rows;
}

Tensor Vila::embed(ops::Context& ctx, std::span<const text::TokenId> ids) const {
  return parts_->decoder.embed(ctx, ids);  // [T, D]
}

Tensor Vila::decode(ops::Context& ctx, const Tensor& rows, std::span<const SequenceStep> sequences,
                    bool all_rows) const {
  return parts_->decoder(ctx, rows, sequences, all_rows);
}

}  // namespace vila::model
