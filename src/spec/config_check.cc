// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "base/error.h"
#include "spec/config.h"
#include "spec/parameters.h"

namespace vila::spec {
namespace {

// Far above any published model and low enough that no product of sizes overflows.
constexpr int64_t kMaxWidth = int64_t{1} << 18;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
constexpr int64_t kMaxContext = int64_t{1} << 24;
constexpr int64_t kMaxImageSide = 8192;
constexpr int64_t kMaxTiles = 256;
constexpr int64_t kMaxFrames = 65536;

/// Checks of one config file; the first that does not hold throws.
class Checker {
 public:
  explicit Checker(const std::string& source) : source_(source) {}

  void range(const char* key, int64_t value, int64_t low, int64_t high) const {
    if (value >= low && value <= high) return;
    fail(ErrorCode::invalid_config, "{}: \"{}\": expected {} to {}, found {}", source_, key, low,
         high, value);
  }

  void positive(const char* key, double value) const {
    if (std::isfinite(value) && value > 0) return;
    fail(ErrorCode::invalid_config, "{}: \"{}\": expected a positive number, found {}", source_,
         key, value);
  }

  void finite(const char* key, double value) const {
    if (std::isfinite(value)) return;
    fail(ErrorCode::invalid_config, "{}: \"{}\": expected a finite number, found {}", source_, key,
         value);
  }

  void multiple(const char* key, int64_t value, const char* of, int64_t divisor) const {
    if (value % divisor == 0) return;
    fail(ErrorCode::invalid_config, "{}: \"{}\": expected a multiple of {} ({}), found {}", source_,
         key, of, divisor, value);
  }

  void equal(const char* key, int64_t value, const char* other, int64_t expected) const {
    if (value == expected) return;
    fail(ErrorCode::invalid_config, "{}: \"{}\": expected {} as in {}, found {}", source_, key,
         expected, other, value);
  }

 private:
  const std::string& source_;
};

void check_rope(const Checker& check, const RopeScaling& scaling) {
  check.positive("rope_scaling.factor", scaling.factor);
  check.positive("rope_scaling.low_freq_factor", scaling.low_freq_factor);
  check.positive("rope_scaling.high_freq_factor", scaling.high_freq_factor);
  check.range("rope_scaling.original_max_position_embeddings", scaling.original_positions, 1,
              kMaxContext);
}

void check_decoder(const Checker& check, const DecoderConfig& llm) {
  check.range("hidden_size", llm.hidden_size, 1, kMaxWidth);
  check.range("intermediate_size", llm.intermediate_size, 1, kMaxWidth);
  check.range("num_hidden_layers", llm.num_hidden_layers, 1, kMaxLayers);
  check.range("num_attention_heads", llm.num_attention_heads, 1, kMaxWidth);
  check.range("num_key_value_heads", llm.num_key_value_heads, 1, llm.num_attention_heads);
  check.multiple("num_attention_heads", llm.num_attention_heads, "num_key_value_heads",
                 llm.num_key_value_heads);
  check.range("head_dim", llm.head_dim, 1, kMaxWidth);
  check.multiple("head_dim", llm.head_dim, "2, for rotary positions", 2);
  check.range("num_attention_heads * head_dim", llm.num_attention_heads * llm.head_dim, 1,
              kMaxWidth);
  check.range("vocab_size", llm.vocab_size, 1, kMaxVocabulary);
  check.range("max_position_embeddings", llm.max_position_embeddings, 1, kMaxContext);
  check.positive("rms_norm_eps", llm.rms_norm_eps);
  check.positive("rope_theta", llm.rope_theta);
  check_rope(check, llm.rope_scaling);
  check.range("bos_token_id", llm.bos_token_id, -1, llm.vocab_size - 1);
  check.range("eos_token_id", llm.eos_token_id, -1, llm.vocab_size - 1);
  check.range("pad_token_id", llm.pad_token_id, -1, llm.vocab_size - 1);
}

void check_processor(const Checker& check, const media::ProcessorConfig& processor,
                     int64_t image_size) {
  check.equal("crop_size", processor.image_size, "the tower's image_size", image_size);
  check.range("max_tiles", processor.max_tiles, 1, kMaxTiles);
  check.range("min_tiles", processor.min_tiles, 1, processor.max_tiles);
  for (const float std : processor.std)
    check.positive("image_std", static_cast<double>(std));
  for (const float mean : processor.mean)
    check.finite("image_mean", static_cast<double>(mean));
}

void check_multi_scale(const VilaConfig& config, const Checker& check) {
  const MultiScale& s2 = *config.s2;
  check.equal("s2_max_split_size", s2.tile, "the tower's image_size", config.vision->image_size);
  for (const int64_t side : s2.sides)
    check.range("s2_scales", side, s2.tile, kMaxImageSide);
  for (const int64_t side : s2.sides)
    check.multiple("s2_scales", side, "s2_max_split_size", s2.tile);
  check.equal("s2_scales", s2.sides.front(), "s2_max_split_size", s2.tile);
}

void check_selection(const VilaConfig& config, const Checker& check, const std::string& source) {
  const int64_t layers = config.vision->num_hidden_layers;
  check.range("mm_vision_select_layer", config.mm_vision_select_layer, -layers - 1, layers);
  const std::string& feature = config.mm_vision_select_feature;
  if (feature != "patch" && feature != "cls_patch") {
    fail(ErrorCode::invalid_config,
         "{}: \"mm_vision_select_feature\": expected patch or cls_patch, found \"{}\"", source,
         feature);
  }
}

}  // namespace

void validate(const VisionConfig& vision, const std::string& source) {
  const Checker check(source);
  check.range("image_size", vision.image_size, 1, kMaxImageSide);
  check.range("patch_size", vision.patch_size, 1, vision.image_size);
  check.range("num_channels", vision.num_channels, 3, 3);
  check.range("hidden_size", vision.hidden_size, 1, kMaxWidth);
  check.range("intermediate_size", vision.intermediate_size, 1, kMaxWidth);
  check.range("num_hidden_layers", vision.num_hidden_layers, 1, kMaxLayers);
  check.range("num_attention_heads", vision.num_attention_heads, 1, vision.hidden_size);
  check.multiple("hidden_size", vision.hidden_size, "num_attention_heads",
                 vision.num_attention_heads);
  check.positive("layer_norm_eps", vision.layer_norm_eps);
}

void validate(const VilaConfig& config, const std::string& source) {
  const Checker check(source);
  check_decoder(check, config.llm);
  check.range("tokenizer_model_max_length", config.model_max_length, 1, kMaxContext);
  if (!config.vision) return;
  validate(*config.vision, source);
  if (config.s2) check_multi_scale(config, check);
  const int64_t scales = config.s2 ? static_cast<int64_t>(config.s2->sides.size()) : 1;
  check.equal("mm_hidden_size", config.mm_hidden_size,
              "the tower's hidden_size (for each scale of S2)",
              config.vision->hidden_size * scales);
  check_selection(config, check, source);
  const bool is_largest = config.s2 && !config.s2->is_dynamic;
  check_processor(check, config.image_processor,
                  is_largest ? config.s2->sides.back() : config.vision->image_size);
  check.range("video_max_tiles", config.video_max_tiles, 1, kMaxTiles);
  check.range("num_video_frames", config.num_video_frames, 1, kMaxFrames);
  check.finite("fps", config.video_fps);
  with_context(source, [&] { projector_linears(config); });
}

}  // namespace vila::spec
