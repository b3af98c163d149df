// SPDX-License-Identifier: Apache-2.0
#include "model/vila.h"

#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "formats/checkpoint.h"
#include "model/projector.h"
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

}  // namespace

struct Vila::Parts {
  Parts(const Weights& w, spec::VilaConfig c)
      : config(std::move(c)),
        weight_bytes(w.bytes()),
        decoder(w, config.llm, config.model_max_length) {
    if (!config.has_vision()) return;
    vision_tower.emplace(tower_weights(w), config);
    mm_projector.emplace(w, config);
  }

  spec::VilaConfig config;
  int64_t weight_bytes;
  std::optional<Vit> vision_tower;
  std::optional<Projector> mm_projector;
  Decoder decoder;
};

Vila Vila::load(const std::filesystem::path& folder) {
  const formats::Checkpoint checkpoint = formats::open_checkpoint(folder);
  spec::VilaConfig config = spec::read_config(folder, checkpoint.vision_folder);
  const Weights weights = Weights::bind(checkpoint, config);
  Vila vila;
  vila.parts_ = std::make_shared<const Parts>(weights, std::move(config));
  return vila;
}

const spec::VilaConfig& Vila::config() const {
  return parts_->config;
}

int64_t Vila::weight_bytes() const {
  return parts_->weight_bytes;
}

Tensor Vila::encode_images(ops::Context& ctx, const Tensor& pixels) const {
  VILA_CHECK(parts_->config.has_vision(), "a model without tower was given pictures");
  const int64_t pictures = pixels.dim(0);
  const int64_t tokens = parts_->config.tokens_per_image();
  const Tensor features = (*parts_->vision_tower)(ctx, pixels);  // [N * tokens, C] (2-7)
  ctx.observe("projector_input", features.reshape({pictures, tokens, -1}));
  const Tensor rows = (*parts_->mm_projector)(ctx, features).reshape({pictures, tokens, -1});
  ctx.observe("projector_output", rows);
  return rows;  // [N, tokens, D] (8)
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
