// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <algorithm>
#include <string_view>

#include "base/cpu_info.h"
#include "engine/engine_state.h"
#include "engine/picture_cache.h"
#include "model/kv_cache.h"
#include "spec/parameters.h"

namespace vila::engine {
namespace {

constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
// What Linux maps of a file around a page that is read.
constexpr int64_t kReadAround = 64 << 10;

// Tiles of one picture, at most.
int64_t most_tiles(const spec::VilaConfig& config) {
  const media::ProcessorConfig& processor = config.image_processor;
  if (processor.mode == media::ProcessorConfig::Mode::dynamic) return processor.max_tiles + 1;
  if (!config.s2) return 1;
  int64_t tiles = 0;
  for (const int64_t side : config.s2->sides) {
    const int64_t count = side / config.s2->tile;
    tiles = config.s2->is_dynamic ? tiles + count * count : std::max(tiles, count * count);
  }
  const int64_t largest = config.s2->sides.back() / config.s2->tile;
  const int64_t extra = config.s2->is_dynamic ? processor.max_tiles - largest * largest : 0;
  return tiles + std::max<int64_t>(extra, 0);
}

// Of one layer: its input, both norms, q, k and v, what is mixed and put out, both sums, the wide
// rows before and after the activation, and those once more as the second product packs them.
int64_t vision_peak(const spec::VilaConfig& config, int64_t images) {
  if (!config.has_vision() || images == 0) return 0;
  const spec::VisionConfig& vision = *config.vision;
  const int64_t row = 10 * vision.hidden_size + 3 * vision.intermediate_size;
  const int64_t squares = std::min(images * most_tiles(config), squares_of_group(config));
  const int64_t pixels = 2 * 3 * vision.image_size * vision.image_size;  // also as patches
  return squares * (vision.rows() * row + pixels) * kFloat;
}

// The rows of the whole prompt, and of one layer: its input, both norms, queries, keys, values,
// what is mixed and put out, both sums, gate, up and their product, and that once more as the last
// product packs it; then the logits.
int64_t text_peak(const spec::DecoderConfig& llm, int64_t context) {
  const int64_t heads = 2 * (llm.num_attention_heads + llm.num_key_value_heads) * llm.head_dim;
  const int64_t row = 6 * llm.hidden_size + heads + 4 * llm.intermediate_size;
  const int64_t step = std::min(context, rows_per_step(llm, 0));
  return (context * llm.hidden_size + step * row + llm.vocab_size) * kFloat;
}

bool is_vision(std::string_view name) {
  return name.starts_with(spec::kVisionPrefix) || name.starts_with("model.mm_projector.");
}

// Pages of a float table that no token of the context reads stay on disk: a row is a page or a few,
// which come with those around them.
int64_t unread_embeddings(const formats::Checkpoint& checkpoint, const spec::DecoderConfig& llm,
                          int64_t context) {
  const auto found = checkpoint.tensors.find("model.embed_tokens.weight");
  if (found == checkpoint.tensors.end() || llm.tie_word_embeddings) return 0;
  const auto bytes = static_cast<int64_t>(found->second.nbytes());
  const int64_t row = bytes / llm.vocab_size;
  return std::max<int64_t>(bytes - context * std::max(row, kReadAround), 0);
}

// Without pictures, the matrices of tower and projector are never read, but for the pages around
// the vectors between them.
int64_t weights_used(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config,
                     const MemoryDemand& demand) {
  int64_t bytes = checkpoint.weight_bytes();
  bytes -= unread_embeddings(checkpoint, config.llm, demand.context);
  if (demand.images > 0) return bytes;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const auto size = static_cast<int64_t>(tensor.nbytes());
    bytes -= is_vision(name) ? std::max<int64_t>(size - kReadAround, 0) : 0;
  }
  for (const auto& [name, matrix] : checkpoint.quantised)
    bytes -= is_vision(name) ? matrix.bytes() : 0;
  return bytes;
}

}  // namespace

int64_t MemoryPlan::total() const {
  return program + weights + kv_cache + std::max(vision_peak, text_peak);
}

MemoryPlan plan_memory(int64_t weight_bytes, const spec::VilaConfig& config,
                       const MemoryDemand& demand) {
  const int64_t context = std::min(demand.context, config.model_max_length);
  return {.program = resident_bytes(),
          .weights = weight_bytes,
          .kv_cache = model::KvCache::bytes(config.llm, context, demand.kv),
          .vision_peak = vision_peak(config, demand.images),
          .text_peak = text_peak(config.llm, context)};
}

MemoryPlan plan_memory(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config,
                       const MemoryDemand& demand) {
  return plan_memory(weights_used(checkpoint, config, demand), config, demand);
}

}  // namespace vila::engine
