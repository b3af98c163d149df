// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "engine/row_store.h"
#include "engine/workspace.h"
#include "formats/checkpoint.h"
#include "model/vila.h"
#include "ops/context.h"
#include "spec/config.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace vila::engine {

/// One loaded model that answers requests. An owner; one thread.
class Engine {
 public:
  /// @throws Error{not_found | invalid_model | invalid_config | invalid_argument (isa)}
  static Engine load(const formats::Checkpoint& checkpoint, const LoadOptions& options = {});
  /// The same of a folder or file that formats::open_checkpoint() opens.
  static Engine load(const std::filesystem::path& model, const LoadOptions& options = {});
  /// From parts that no file holds: for measurements.
  Engine(model::Vila model, std::unique_ptr<text::Tokenizer> tokenizer, const LoadOptions& options);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  const spec::VilaConfig& config() const;
  const text::Tokenizer& tokenizer() const;
  /// The template this checkpoint was trained with ("vicuna_v1" for the flat layout).
  /// @throws Error{invalid_model} one that the tokenizer brings and that is not known.
  const text::ChatTemplate& chat_template() const;
  ops::Context& context();
  int64_t weight_bytes() const;
  /// Bytes of weights that one token of an answer reads.
  int64_t decode_bytes() const;
  /// The type of keys and values: f32, f16 or i8.
  DType kv() const;
  const model::Vila& model() const;
  double load_ms() const;

  /// Streams to `on_text` whose pieces add up to the result's text. With LoadOptions::kept_tokens,
  /// rows that the last answer began with as well are not computed again; results then equal those
  /// of a whole prefill to rounding.
  /// @throws Error{invalid_argument} placeholders and pictures differ, or the prompt is longer than
  ///         the model's context (both numbers in the message), or an option is out of range.
  Result generate(const Request& request, const OnText& on_text = {});

  /// Many requests, decoded together; a failed one gives its Error in place of a result. Each
  /// result equals what generate() gives. Prompts that begin alike while they are decoded together
  /// share the prefill of that part.
  struct BatchResult {
    std::optional<Result> result;
    std::string error;
  };

  /// Called with the number of a request and what became of it, as soon as that is known.
  using OnDone = std::function<void(size_t index, const BatchResult& done)>;

  std::vector<BatchResult> generate_batch(std::span<const Request> requests,
                                          const OnDone& on_done = {});

  /// From now on rows of pictures are looked for in `store` before they are computed, and put
  /// there. nullptr: no longer.
  void keep_picture_rows(std::shared_ptr<RowStore> store);

  /// Negative log likelihood (natural) of each token of `ids` after the first, given those before
  /// it: ids.size() - 1 values. @throws Error{invalid_argument} more ids than the model's context,
  /// or an
  ///         id outside the vocabulary.
  std::vector<double> token_losses(std::span<const text::TokenId> ids);

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vila::engine
