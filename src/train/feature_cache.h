// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/log.h"
#include "spec/config.h"
#include "train/parameter_set.h"
#include "train/recipe.h"
#include "train/row_cache.h"

namespace at {
class Tensor;
}

namespace vila::train {

/// What a frozen tower makes of every cached picture, f16 on disk: it never changes, so it is
/// computed once for all epochs and stages. Immutable.
class FeatureCache {
 public:
  FeatureCache(const std::filesystem::path& folder, const ImageCache& images,
               const spec::VilaConfig& config, const ParameterSet& parameters,
               const LoopRecipe& loop, const LogSink& log);

  /// Rows of the pictures, one behind the other: f32 [n * tokens_per_image, width].
  at::Tensor features(const std::vector<int64_t>& pictures, const std::string& device) const;

 private:
  int64_t tokens_;
  int64_t width_;
  std::unique_ptr<RowCache> rows_;
};

}  // namespace vila::train
