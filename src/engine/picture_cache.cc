// SPDX-License-Identifier: Apache-2.0
#include "engine/picture_cache.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/stopwatch.h"
#include "media/tiling.h"

namespace vila::engine {
namespace {

// Activations of a layer of the tower for that many pictures stay below about this.
constexpr int64_t kActivationBytes = int64_t{24} << 20;
constexpr int64_t kMaxGroup = 16;

size_t bytes_of(std::span<const Tensor> media) {
  size_t bytes = 0;
  for (const Tensor& rows : media)
    bytes += rows.nbytes();
  return bytes;
}

using Pictures = std::vector<PictureCache::ImagePointer>;

// All tiles of all frames, in the order of the reference's process_images().
Pictures tiles_of(const spec::VilaConfig& config, const Video& video, Timings& timings) {
  const Stopwatch watch;
  media::ProcessorConfig processor = config.image_processor;
  processor.max_tiles = config.video_max_tiles;
  processor.min_tiles = std::min(processor.min_tiles, processor.max_tiles);
  Pictures tiles;
  for (const auto& frame : video.frames) {
    for (media::Image& tile : media::tile_picture(*frame, processor).tiles)
      tiles.push_back(std::make_shared<const media::Image>(std::move(tile)));
  }
  timings.media += watch.milliseconds();
  return tiles;
}

}  // namespace

int64_t squares_of_group(const spec::VilaConfig& config) {
  const spec::VisionConfig& vision = *config.vision;
  const int64_t row_floats = 7 * vision.hidden_size + 2 * vision.intermediate_size;
  const int64_t largest = config.s2 ? config.s2->sides.back() / config.s2->tile : 1;
  const int64_t picture_bytes =
      largest * largest * vision.rows() * row_floats * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kActivationBytes / picture_bytes, 1, kMaxGroup);
}

EncodedPictures PictureCache::encode(const Job& job, Timings& timings) {
  drop_expired();
  ++clock_;
  const bool is_tiled =
      job.may_tile && job.images.size() == 1 && job.model.config().image_processor.is_tiled();
  std::vector<ImagePointer> missing;
  for (const ImagePointer& image : job.images) {
    if (image == nullptr) fail(ErrorCode::invalid_argument, "a picture of the request is null");
    const bool is_known = entries_.contains({image.get(), is_tiled}) ||
                          std::find(missing.begin(), missing.end(), image) != missing.end();
    if (!is_known) missing.push_back(image);
  }
  const std::span<const ImagePointer> all = missing;
  const size_t step =
      missing.empty() ? 1 : static_cast<size_t>(squares_of_group(job.model.config()));
  for (size_t begin = 0; begin < all.size(); begin += step) {
    encode_group(job, all.subspan(begin, std::min(step, all.size() - begin)), is_tiled, timings);
  }
  EncodedPictures encoded;
  for (const ImagePointer& image : job.images) {
    Entry& entry = entries_.at({image.get(), is_tiled});
    entry.last_use = clock_;
    encoded.media.insert(encoded.media.end(), entry.media.begin(), entry.media.end());
    encoded.tokens.push_back(std::ssize(entry.media));
  }
  shrink();
  return encoded;
}

void PictureCache::encode_group(const Job& job, std::span<const ImagePointer> group, bool is_tiled,
                                Timings& timings) {
  ArenaScope scope(job.ctx.arena);
  media::ProcessorConfig processor = job.model.config().image_processor;
  if (!is_tiled && processor.is_tiled()) processor.mode = media::ProcessorConfig::Mode::resize;

  Stopwatch watch;
  std::vector<media::Image> tiles;
  std::vector<Pending> pending;
  model::MediaBatch batch{.pixels = {}, .pictures = {}, .end_ids = job.end_ids};
  for (const ImagePointer& image : group) {
    media::TiledPicture picture = media::tile_picture(*image, processor);
    std::string key = store_ ? store_->key(picture) : "";
    if (take_stored(image, is_tiled, key)) continue;
    pending.push_back({image, std::move(key)});
    batch.pictures.push_back(
        {std::ssize(picture.tiles), picture.block.rows, picture.block.columns});
    std::ranges::move(picture.tiles, std::back_inserter(tiles));
  }
  if (!pending.empty()) batch.pixels = media::normalise_tiles(tiles, processor);
  timings.media += watch.milliseconds();
  if (pending.empty()) return;

  watch.restart();
  const std::vector<Tensor> media = job.model.encode_media(job.ctx, batch);
  size_t next = 0;
  for (size_t i = 0; i < pending.size(); ++i) {
    const model::PictureTiles& picture = batch.pictures[i];
    Entry entry{pending[i].image, {}, clock_};
    for (int64_t n = 0; n < (picture.block_rows > 0 ? 1 : picture.tiles); ++n)
      entry.media.push_back(media[next++].to(DType::f32));
    if (store_) store_->save(pending[i].key, entry.media);
    entries_.insert_or_assign(Key{pending[i].image.get(), is_tiled}, std::move(entry));
  }
  timings.vision += watch.milliseconds();
}

bool PictureCache::take_stored(const ImagePointer& image, bool is_tiled, const std::string& key) {
  if (!store_) return false;
  std::optional<std::vector<Tensor>> rows = store_->load(key);
  if (!rows) return false;
  entries_.insert_or_assign(Key{image.get(), is_tiled}, Entry{image, *std::move(rows), clock_});
  return true;
}

Tensor PictureCache::encode_video(const Job& job, const VideoPointer& video, Timings& timings) {
  drop_expired();
  ++clock_;
  const Key key{video.get(), false};
  if (!entries_.contains(key)) {
    ArenaScope scope(job.ctx.arena);
    const Tensor frames = encode_frames(job, *video, timings);
    const Stopwatch watch;
    const model::VideoBatch batch{
        .pixels = {}, .pools = job.model.config().video_pools, .end_ids = job.end_ids};
    const Tensor rows = job.model.join_frames(job.ctx, frames, batch);
    entries_[key] = Entry{video, {rows.to(DType::f32)}, clock_};
    timings.vision += watch.milliseconds();
  }
  Entry& entry = entries_.at(key);
  entry.last_use = clock_;
  Tensor rows = entry.media.front();
  shrink();
  return rows;
}

// [frames, tokens, D], owning. Where frames are tiled each tile counts as one.
Tensor PictureCache::encode_frames(const Job& job, const Video& video, Timings& timings) const {
  const spec::VilaConfig& config = job.model.config();
  if (config.tiles_frames()) return encode_squares(job, tiles_of(config, video, timings), timings);
  return encode_squares(job, video.frames, timings);
}

// [squares, tokens, D], owning.
Tensor PictureCache::encode_squares(const Job& job, std::span<const ImagePointer> squares,
                                    Timings& timings) const {
  const spec::VilaConfig& config = job.model.config();
  const auto count = std::ssize(squares);
  const Tensor all =
      Tensor::empty(DType::f32, {count, config.tokens_per_image(), config.llm.hidden_size});
  const int64_t step = squares_of_group(config);
  for (int64_t begin = 0; begin < count; begin += step) {
    ArenaScope scope(job.ctx.arena);
    const int64_t end = std::min(begin + step, count);
    Stopwatch watch;
    std::vector<media::Image> frames;
    for (int64_t i = begin; i < end; ++i) {
      frames.push_back(
          media::process_geometry(*squares[static_cast<size_t>(i)], config.image_processor));
    }
    const Tensor pixels = media::normalise_tiles(frames, config.image_processor);
    timings.media += watch.milliseconds();
    watch.restart();
    const Tensor rows = job.model.encode_images(job.ctx, pixels);
    std::memcpy(all.rows(begin, end).raw(), rows.raw(), rows.nbytes());
    timings.vision += watch.milliseconds();
  }
  return all;
}

void PictureCache::drop_expired() {
  std::erase_if(entries_, [](const auto& item) { return item.second.owner.expired(); });
}

void PictureCache::shrink() {
  size_t bytes = 0;
  for (const auto& [key, entry] : entries_)
    bytes += bytes_of(entry.media);
  while (bytes > max_bytes_) {
    const auto oldest = std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
    bytes -= bytes_of(oldest->second.media);
    entries_.erase(oldest);
  }
}

}  // namespace vila::engine
