// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "model/kv_cache.h"
#include "ops/context.h"
#include "spec/config.h"
#include "spec/splice.h"

namespace vila::model {

/// The whole model: tower, projector, decoder. Immutable after loading; calls need a Context and
/// caches of their own. A value that shares the weights.
///
/// The context's observer sees, in this order and under these names: vision.pixels,
/// vision.embeddings, vision.pre_layernorm, vision.layer.0 and so on [N, P, C], projector_input,
/// projector_output [N, tokens, C or D], input_embeds, layer.0 and so on, norm [T, D], logits [.,
/// V].
class Vila {
 public:
  /// Binds every tensor of the checkpoint in `folder` to the parameter table.
  /// @throws Error{invalid_model} listing all missing and misshaped tensors; Error{invalid_config}.
  static Vila load(const std::filesystem::path& folder);

  const spec::VilaConfig& config() const;
  /// Bytes of all weights as stored.
  int64_t weight_bytes() const;

  /// Pictures to rows for the decoder: pixels [N, 3, S, S] f32 to [N, tokens_per_image, D].
  /// @pre config().has_vision()
  Tensor encode_images(ops::Context& ctx, const Tensor& pixels) const;

  /// Input rows [layout.length, D] of a prompt: text embeddings with the pictures' rows, each
  /// [tokens_per_image, D] as encode_images() gives them, spliced in.
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
  std::shared_ptr<const Parts> parts_;
};

}  // namespace vila::model
