// SPDX-License-Identifier: Apache-2.0
#include "engine/picture_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/stopwatch.h"
#include "media/image_processor.h"

namespace vila::engine {
namespace {

// Activations of a layer of the tower for that many pictures stay below about this.
constexpr int64_t kActivationBytes = int64_t{24} << 20;
constexpr int64_t kMaxGroup = 16;

int64_t group_size(const spec::VisionConfig& config) {
  const int64_t row_floats = 7 * config.hidden_size + 2 * config.intermediate_size;
  const int64_t picture_bytes =
      (config.patches() + 1) * row_floats * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kActivationBytes / picture_bytes, 1, kMaxGroup);
}

}  // namespace

std::vector<Tensor> PictureCache::encode(const model::Vila& model, ops::Context& ctx,
                                         std::span<const ImagePointer> images, Timings& timings) {
  drop_expired();
  ++clock_;
  std::vector<ImagePointer> missing;
  for (const ImagePointer& image : images) {
    if (image == nullptr) fail(ErrorCode::invalid_argument, "a picture of the request is null");
    const bool is_known = entries_.contains(image.get()) ||
                          std::find(missing.begin(), missing.end(), image) != missing.end();
    if (!is_known) missing.push_back(image);
  }
  const std::span<const ImagePointer> all = missing;
  const size_t step = missing.empty() ? 1 : static_cast<size_t>(group_size(*model.config().vision));
  for (size_t begin = 0; begin < all.size(); begin += step) {
    encode_group(model, ctx, all.subspan(begin, std::min(step, all.size() - begin)), timings);
  }
  std::vector<Tensor> rows;
  for (const ImagePointer& image : images) {
    Entry& entry = entries_.at(image.get());
    entry.last_use = clock_;
    rows.push_back(entry.rows);
  }
  shrink();
  return rows;
}

void PictureCache::encode_group(const model::Vila& model, ops::Context& ctx,
                                std::span<const ImagePointer> group, Timings& timings) {
  ArenaScope scope(ctx.arena);
  const spec::VilaConfig& config = model.config();
  const auto count = static_cast<int64_t>(group.size());
  const int64_t side = config.image_processor.image_size;

  Stopwatch watch;
  Tensor pixels = arena_tensor(ctx.arena, DType::f32, {count, 3, side, side});
  for (int64_t i = 0; i < count; ++i) {
    const Tensor picture =
        media::process_image(*group[static_cast<size_t>(i)], config.image_processor);
    std::memcpy(pixels.rows(i, i + 1).raw(), picture.raw(), picture.nbytes());
  }
  timings.media += watch.milliseconds();

  watch.restart();
  const Tensor rows = model.encode_images(ctx, pixels);  // [N, tokens, D]
  for (int64_t i = 0; i < count; ++i) {
    const ImagePointer& image = group[static_cast<size_t>(i)];
    const Tensor own = rows.rows(i, i + 1).to(DType::f32).reshape({rows.dim(1), rows.dim(2)});
    entries_.insert_or_assign(image.get(), Entry{image, own, clock_});
  }
  timings.vision += watch.milliseconds();
}

void PictureCache::drop_expired() {
  std::erase_if(entries_, [](const auto& item) { return item.second.image.expired(); });
}

void PictureCache::shrink() {
  size_t bytes = 0;
  for (const auto& [image, entry] : entries_)
    bytes += entry.rows.nbytes();
  while (bytes > max_bytes_) {
    const auto oldest = std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
    bytes -= oldest->second.rows.nbytes();
    entries_.erase(oldest);
  }
}

}  // namespace vila::engine
