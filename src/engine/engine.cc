// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/engine_state.h"
#include "engine/sampler.h"
#include "spec/prompt.h"

namespace vila::engine {
namespace {

// A batch takes no further request beyond either.
constexpr size_t kMaxBatch = 16;
constexpr int64_t kMaxBatchKvBytes = int64_t{1} << 30;

bool has_room(const Active& active, const spec::DecoderConfig& config) {
  int64_t kv_bytes = 0;
  for (const auto& [index, sequence] : active) {
    kv_bytes +=
        model::KvCache::bytes(config, sequence->cache().capacity(), sequence->cache().dtype());
  }
  return active.empty() || (active.size() < kMaxBatch && kv_bytes < kMaxBatchKvBytes);
}

}  // namespace

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}

Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine::Engine(model::Vila model, std::unique_ptr<text::Tokenizer> tokenizer,
               const LoadOptions& options)
    : state_(std::make_unique<State>(std::move(model), std::move(tokenizer), options)) {}

Engine Engine::load(const formats::Checkpoint& checkpoint, const LoadOptions& options) {
  const Stopwatch watch;
  auto state = std::make_unique<State>(checkpoint, options);
  state->load_ms = watch.milliseconds();
  return Engine(std::move(state));
}

Engine Engine::load(const std::filesystem::path& model, const LoadOptions& options) {
  return load(formats::open_checkpoint(model), options);
}

const spec::VilaConfig& Engine::config() const {
  return state_->model.config();
}

const text::Tokenizer& Engine::tokenizer() const {
  return *state_->tokenizer;
}

const text::ChatTemplate& Engine::chat_template() const {
  return text::find_chat_template(spec::chat_template_name(config(), tokenizer(), state_->jinja));
}

ops::Context& Engine::context() {
  return state_->context();
}

int64_t Engine::weight_bytes() const {
  return state_->model.weight_bytes();
}

DType Engine::kv() const {
  return state_->kv;
}

int64_t Engine::decode_bytes() const {
  return state_->model.decode_bytes();
}

const model::Vila& Engine::model() const {
  return state_->model;
}

void Engine::keep_picture_rows(std::shared_ptr<RowStore> store) {
  state_->pictures.keep_in(std::move(store));
}

double Engine::load_ms() const {
  return state_->load_ms;
}

Result Engine::generate(const Request& request, const OnText& on_text) {
  const auto open_cache = [this](const RowHistory& rows, int64_t capacity) {
    return state_->continue_kept(rows, capacity);
  };
  const std::unique_ptr<Sequence> sequence = state_->start(request, open_cache, on_text);
  while (!sequence->is_finished())
    state_->advance(*sequence);
  state_->keep(*sequence);
  return sequence->take_result();
}

std::vector<Engine::BatchResult> Engine::generate_batch(std::span<const Request> requests,
                                                        const OnDone& on_done) {
  std::vector<BatchResult> results(requests.size());
  Active active;
  size_t next = 0;
  const auto open_cache = [&](const RowHistory& rows, int64_t capacity) {
    return state_->copy_shared(active, rows, capacity);
  };
  const auto is_done = [&](size_t index) {
    const BatchResult& slot = results[index];
    if (!slot.result && slot.error.empty()) return false;
    if (on_done) on_done(index, slot);
    return true;
  };
  while (next < requests.size() || !active.empty()) {
    if (next < requests.size() && has_room(active, config().llm)) {
      attempt(results[next],
              [&] { active.emplace(next, state_->start(requests[next], open_cache, {})); });
      is_done(next++);
    } else {
      state_->step_all(active, results);
    }
    std::erase_if(active, [&](auto& item) {
      BatchResult& slot = results[item.first];
      if (item.second->is_finished()) slot.result = item.second->take_result();
      return is_done(item.first);
    });
  }
  return results;
}

std::vector<double> Engine::token_losses(std::span<const text::TokenId> ids) {
  const auto count = static_cast<int64_t>(ids.size());
  const spec::DecoderConfig& llm = config().llm;
  if (count > config().model_max_length) {
    fail(ErrorCode::invalid_argument, "{} tokens, but the model's context is {}", count,
         config().model_max_length);
  }
  for (const text::TokenId id : ids) {
    if (id >= 0 && id < llm.vocab_size) continue;
    fail(ErrorCode::invalid_argument, "token id {}: expected 0 to {}", id, llm.vocab_size - 1);
  }
  std::vector<double> losses;
  if (count < 2) return losses;
  model::KvCache cache(llm, count, state_->kv);
  const int64_t step = rows_per_step(llm, llm.vocab_size);
  for (int64_t begin = 0; begin < count - 1; begin += step) {
    context().arena.reset();
    const int64_t rows = std::min(step, count - 1 - begin);
    const model::SequenceStep part{&cache, rows};
    const Tensor x = state_->model.embed(
        context(), ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(rows)));
    const Tensor logits = state_->model.decode(context(), x, {&part, 1}, true);  // [rows, V]
    for (int64_t i = 0; i < rows; ++i) {
      const text::TokenId target = ids[static_cast<size_t>(begin + i + 1)];
      losses.push_back(-token_logprob(logits_row(logits, i), target, 0).logprob);
    }
  }
  return losses;
}

}  // namespace vila::engine
