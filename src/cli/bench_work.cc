// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_work.h"

#include "media/tiling.h"
#include "model/kv_cache.h"
#include "spec/parameters.h"

namespace vila::cli {
namespace {

// Elements of the matrices below a prefix that run.
double matrix_elements(const spec::VilaConfig& config, std::string_view prefix) {
  int64_t sum = 0;
  for (const spec::Parameter& parameter : spec::parameters(config)) {
    const bool is_counted =
        parameter.name.starts_with(prefix) && !parameter.is_optional && parameter.shape.rank() == 2;
    if (is_counted) sum += parameter.shape.numel();
  }
  return static_cast<double>(sum);
}

// How often the tower runs for a picture.
int64_t tower_calls(const spec::VilaConfig& config, const media::Image& picture) {
  if (config.s2 && !config.s2->is_dynamic) {
    int64_t calls = 0;
    for (const int64_t side : config.s2->sides) {
      const int64_t across = side / config.s2->tile;
      calls += across * across;
    }
    return calls;
  }
  return std::ssize(media::tile_picture(picture, config.image_processor).tiles);
}

double picture_operations(const spec::VilaConfig& config, const media::Image& picture) {
  if (!config.has_vision()) return 0;
  const auto calls = static_cast<double>(tower_calls(config, picture));
  const auto rows = static_cast<double>(config.vision->rows());
  const auto tokens = static_cast<double>(config.tokens_per_image());
  const std::string layers = std::string(spec::kVisionPrefix) + "encoder.layers.";
  return 2 * calls *
         (rows * matrix_elements(config, layers) +
          tokens * matrix_elements(config, "model.mm_projector."));
}

}  // namespace

BenchWork bench_work(const engine::Engine& engine, const media::Image& picture) {
  const spec::VilaConfig& config = engine.config();
  return {.operations_per_token = 2 * matrix_elements(config, "model.layers."),
          .operations_per_picture = picture_operations(config, picture),
          .weight_bytes_per_token = static_cast<double>(engine.decode_bytes()),
          .kv_bytes_per_position =
              static_cast<double>(model::KvCache::bytes(config.llm, 1, engine.kv()))};
}

}  // namespace vila::cli
