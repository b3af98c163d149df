// SPDX-License-Identifier: Apache-2.0
#include "train/feature_cache.h"

#include <cstring>
#include <numeric>

#include "base/error.h"
#include "train/pictures.h"
#include "train/torch_compat.h"
#include "train/torch_vision.h"

namespace vila::train {
namespace {

constexpr int64_t kBlock = 256;  // pictures at a time

/// Of the tower's values and of how its output is used.
uint64_t tower_checksum(const spec::VilaConfig& config, const ParameterSet& parameters,
                        Precision precision) {
  uint64_t sum =
      checksum(fmt::format("{} {} {}", config.mm_vision_select_layer,
                           config.mm_vision_select_feature, static_cast<int>(precision)));
  for (int64_t i = 0; i < parameters.size(); ++i) {
    if (parameters.row(i).part != spec::Part::vision_tower) continue;
    const Tensor value = parameters.copy(i, DType::f32);
    sum = checksum({static_cast<const std::byte*>(value.raw()), value.nbytes()}, sum);
  }
  return sum;
}

}  // namespace

FeatureCache::FeatureCache(const std::filesystem::path& folder, const ImageCache& images,
                           const spec::VilaConfig& config, const ParameterSet& parameters,
                           const LoopRecipe& loop, const LogSink& log)
    : tokens_(config.tokens_per_image()), width_(config.vision->hidden_size) {
  const auto build = [&](int64_t begin, int64_t end) {
    if (log) log(LogLevel::info, fmt::format("tower features: {} of {}", begin, images.count()));
    at::NoGradGuard no_grad;
    std::vector<int64_t> rows(static_cast<size_t>(end - begin));
    std::iota(rows.begin(), rows.end(), begin);
    const at::Tensor pixels =
        normalise_pictures(load_pictures(images, rows, loop.device), config.image_processor);
    const at::Tensor features = vision_features(parameters, config, pixels, loop.precision)
                                    .to(at::kCPU, at::kHalf)
                                    .contiguous();
    return std::string(static_cast<const char*>(features.data_ptr()), features.nbytes());
  };
  const uint64_t sum = images.checksum() ^ tower_checksum(config, parameters, loop.precision);
  rows_ = std::make_unique<RowCache>(folder / fmt::format("features-{:016x}.f16", sum),
                                     images.count(), tokens_ * width_ * 2, kBlock, build);
}

at::Tensor FeatureCache::features(const std::vector<int64_t>& pictures,
                                  const std::string& device) const {
  const at::Tensor rows =
      at::empty({static_cast<int64_t>(pictures.size()) * tokens_, width_}, at::kHalf);
  auto* target = static_cast<std::byte*>(rows.data_ptr());
  for (const int64_t picture : pictures) {
    const auto row = rows_->row(picture);
    std::memcpy(target, row.data(), row.size());
    target += row.size();
  }
  return rows.to(at::Device(device)).to(at::kFloat);
}

}  // namespace vila::train
