// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/media_prompt.h"
#include "engine/picture_cache.h"
#include "engine/row_history.h"
#include "engine/sequence.h"
#include "model/vila.h"

namespace vila::engine {

/// Sequences of a batch by the number of their request.
using Active = std::map<size_t, std::unique_ptr<Sequence>>;

/// Rows of one prefill step, few enough to keep the activations of a layer modest and many enough
/// for a full matrix product. @param extra_floats  per row beside those of a layer.
int64_t rows_per_step(const spec::DecoderConfig& config, int64_t extra_floats);

/// One row of a matrix of logits.
inline std::span<const float> logits_row(const Tensor& matrix, int64_t index) {
  return matrix.rows(index, index + 1).values<float>();
}

/// Runs `body`; an Error of it becomes the request's.
template <typename Body>
void attempt(Engine::BatchResult& slot, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    slot.error = error.message();
  }
}

/// What an engine holds, and the steps that an answer is made of: a request becomes a sequence
/// whose first token is chosen (start), which then grows token by token (advance, step_all).
struct Engine::State {
  /// @throws Error{invalid_model}
  State(const formats::Checkpoint& checkpoint, const LoadOptions& options);
  State(model::Vila loaded, std::unique_ptr<text::Tokenizer> words, const LoadOptions& options);

  /// Gives the cache for a prompt of these rows, for `capacity` of them, its common part filled.
  using OpenCache = std::function<model::KvCache(const RowHistory& rows, int64_t capacity)>;

  /// @throws Error{invalid_argument} what does not fit the model.
  std::unique_ptr<Sequence> start(const Request& request, const OpenCache& open_cache,
                                  const OnText& on_text);
  model::KvCache continue_kept(const RowHistory& rows, int64_t capacity);
  model::KvCache copy_shared(const Active& active, const RowHistory& rows, int64_t capacity) const;
  void keep(Sequence& sequence);
  std::vector<text::TokenId> tokenize(const MediaPrompt& prompt,
                                      const EncodedPictures& pictures) const;
  void check_fits(const MediaPrompt& prompt) const;
  std::vector<Tensor> encode_in_order(const MediaPrompt& prompt, EncodedPictures encoded,
                                      std::span<const text::TokenId> ids, Timings& timings);
  void prefill(Sequence& sequence, const Tensor& rows);
  Tensor step(std::span<Sequence* const> sequences);
  void advance(Sequence& sequence);
  void try_draft(Sequence& sequence, std::span<const text::TokenId> draft);
  void step_all(const Active& active, std::span<BatchResult> results);

  ops::Context& context() { return workspace.context(); }

  Workspace workspace;
  DType kv;             // of keys and values
  int64_t kept_tokens;  // capacity of `kept`; 0: nothing is kept

  /// Keys and values of the last answer.
  struct Kept {
    model::KvCache cache;
    RowHistory rows;
  };

  std::optional<Kept> kept;
  model::Vila model;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::string jinja;                   // the tokenizer's own chat template; may be empty
  std::vector<text::TokenId> end_ids;  // behind each picture
  PictureCache pictures;
  double load_ms = 0;
};

}  // namespace vila::engine
