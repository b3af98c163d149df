// SPDX-License-Identifier: Apache-2.0
#include "engine/engine_state.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/stopwatch.h"
#include "spec/prompt.h"
#include "spec/splice.h"

namespace vila::engine {
namespace {

constexpr size_t kPictureCacheBytes = size_t{32} << 20;
// Bounds of the activations of one layer: keep memory modest, and rows enough for a full GEMM.
constexpr int64_t kActivationBytes = int64_t{96} << 20;
constexpr int64_t kMinRows = 16;
constexpr int64_t kMaxRows = 512;
// Fewer rows in common than this are computed again sooner than they are found and copied.
constexpr int64_t kLeastShared = 8;

/// `rows` in as few steps as `most` allows, all of about one size: a short last one would read all
/// weights for a few rows.
int64_t even_step(int64_t rows, int64_t most) {
  const int64_t steps = std::max<int64_t>((rows + most - 1) / most, 1);
  return std::max<int64_t>((rows + steps - 1) / steps, 1);
}

}  // namespace

int64_t rows_per_step(const spec::DecoderConfig& config, int64_t extra_floats) {
  const int64_t floats = 7 * config.hidden_size + 3 * config.intermediate_size + extra_floats;
  return std::clamp(kActivationBytes / (floats * static_cast<int64_t>(sizeof(float))), kMinRows,
                    kMaxRows);
}

Engine::State::State(const formats::Checkpoint& checkpoint, const LoadOptions& options)
    : workspace(options),
      kv(options.kv),
      kept_tokens(options.kept_tokens),
      model(model::Vila::load(checkpoint, workspace.context().pool, options.vision)),
      tokenizer(text::load_tokenizer(checkpoint.tokenizer_folder)),
      jinja(text::read_chat_template(checkpoint.tokenizer_folder)),
      end_ids(spec::media_end_ids(model.config(), *tokenizer)),
      pictures(kPictureCacheBytes) {
  // NVILA's media tokens have no rows in the table.
  const bool has_media_tokens = tokenizer->token_id(spec::kImagePlaceholder) >= 0;
  if (!has_media_tokens && tokenizer->vocab_size() > model.config().llm.vocab_size) {
    fail(ErrorCode::invalid_model, "{}: the tokenizer has {} tokens, the model's table {}",
         checkpoint.tokenizer_folder.string(), tokenizer->vocab_size(),
         model.config().llm.vocab_size);
  }
}

Engine::State::State(model::Vila loaded, std::unique_ptr<text::Tokenizer> words,
                     const LoadOptions& options)
    : workspace(options),
      kv(options.kv),
      kept_tokens(options.kept_tokens),
      model(std::move(loaded)),
      tokenizer(std::move(words)),
      end_ids(spec::media_end_ids(model.config(), *tokenizer)),
      pictures(kPictureCacheBytes) {}

// The prompt's ids, "<image>" repeated for the tiles of a picture.
std::vector<text::TokenId> Engine::State::tokenize(const MediaPrompt& prompt,
                                                   const EncodedPictures& encoded) const {
  const bool is_repeated = encoded.media.size() > prompt.images.size();
  const std::vector<text::TokenId> ids = spec::tokenize_prompt(
      *tokenizer, is_repeated ? spec::repeat_tiles(prompt.text, encoded.tokens) : prompt.text);
  for (const text::TokenId id : ids) {
    if (spec::is_media_token(id) || id < model.config().llm.vocab_size) continue;
    fail(ErrorCode::invalid_argument,
         "prompt: token \"{}\" has no row in the model's table; leave it out",
         tokenizer->piece(id));
  }
  return ids;
}

// Counts and length that cannot fit are refused before the tower runs.
void Engine::State::check_fits(const MediaPrompt& prompt) const {
  const spec::VilaConfig& config = model.config();
  const auto media = std::ssize(prompt.images) + std::ssize(prompt.videos);
  if (media > 0 && !config.has_vision()) {
    fail(ErrorCode::invalid_argument,
         "this model has no vision tower, but {} pictures were given; a .gguf text model gets one "
         "by --mmproj FILE",
         media);
  }
  const std::vector<text::TokenId> ids = spec::tokenize_prompt(*tokenizer, prompt.text);
  std::vector<int64_t> rows = least_media_rows(ids, prompt, config, std::ssize(end_ids));
  rows.resize(static_cast<size_t>(media), 0);
  spec::splice(ids, rows, config.model_max_length);
}

// Rows for each media token of `ids`: pictures (their tiles) and videos as they follow one another.
std::vector<Tensor> Engine::State::encode_in_order(const MediaPrompt& prompt,
                                                   EncodedPictures encoded,
                                                   std::span<const text::TokenId> ids,
                                                   Timings& timings) {
  std::vector<Tensor> media;
  size_t picture = 0;
  size_t video = 0;
  for (const text::TokenId id : ids) {
    if (id == spec::kImageToken && picture < encoded.media.size())
      media.push_back(std::move(encoded.media[picture++]));
    if (id != spec::kVideoToken || video >= prompt.videos.size()) continue;
    const PictureCache::Job job{model, context(), {}, end_ids};
    media.push_back(pictures.encode_video(job, prompt.videos[video++], timings));
  }
  return media;
}

// From a request to a sequence whose first token is chosen.
std::unique_ptr<Sequence> Engine::State::start(const Request& request, const OpenCache& open_cache,
                                               const OnText& on_text) {
  const spec::VilaConfig& config = model.config();
  validate(request.options);
  const MediaPrompt prompt = lay_out_media(request, config);
  check_fits(prompt);
  context().arena.reset();
  Timings timings;
  EncodedPictures encoded = pictures.encode(
      PictureCache::Job{model, context(), prompt.images, end_ids, !prompt.has_frames}, timings);
  const std::vector<text::TokenId> ids = tokenize(prompt, encoded);
  const std::vector<Tensor> media = encode_in_order(prompt, std::move(encoded), ids, timings);
  std::vector<int64_t> media_rows;
  for (const Tensor& rows : media)
    media_rows.push_back(rows.dim(0));
  const spec::Splice layout = spec::splice(ids, media_rows, config.model_max_length);
  if (layout.length == 0) {
    fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least one token");
  }
  RowHistory rows(ids, layout, media);
  model::KvCache cache =
      open_cache(rows, Sequence::rows_needed(config, request.options, layout.length));
  auto sequence = std::make_unique<Sequence>(
      Sequence::Start{config, *tokenizer, request.options, ids, std::move(rows), std::move(cache)},
      on_text);
  sequence->usage().image_tokens =
      std::accumulate(media_rows.begin(), media_rows.end(), int64_t{0});
  sequence->timings().media = timings.media;
  sequence->timings().vision = timings.vision;
  const Stopwatch watch;
  prefill(*sequence, model.embed(context(), ids, layout, media));
  sequence->timings().prefill = watch.milliseconds() - sequence->timings().decode;
  return sequence;
}

// The kept cache cut to what `rows` begin with, or a new one. The last row is always computed
// again: the next token is chosen from what comes out of it.
model::KvCache Engine::State::continue_kept(const RowHistory& rows, int64_t capacity) {
  capacity = std::max(capacity, std::min(kept_tokens, model.config().model_max_length));
  if (!kept) return model::KvCache(model.config().llm, capacity, kv);
  Kept last = *std::exchange(kept, std::nullopt);
  const int64_t shared = std::min(last.rows.common_prefix(rows), rows.size() - 1);
  if (last.cache.capacity() >= capacity) {
    last.cache.truncate(shared);
    return std::move(last.cache);
  }
  model::KvCache cache(model.config().llm, capacity, kv);
  cache.copy_prefix(last.cache, shared);
  return cache;
}

// A new cache with what the prompt has in common with another of the batch. Only rows of that
// one's prompt are taken, as those of its answer were summed in another order.
model::KvCache Engine::State::copy_shared(const Active& active, const RowHistory& rows,
                                          int64_t capacity) const {
  int64_t most = 0;
  Sequence* best = nullptr;
  for (const auto& [index, sequence] : active) {
    const int64_t shared = std::min(
        {sequence->rows().common_prefix(rows), rows.size() - 1, sequence->usage().prompt_tokens});
    if (shared <= most) continue;
    most = shared;
    best = sequence.get();
  }
  model::KvCache cache(model.config().llm, capacity, kv);
  if (best != nullptr && most >= kLeastShared) cache.copy_prefix(best->cache(), most);
  return cache;
}

void Engine::State::keep(Sequence& sequence) {
  if (kept_tokens == 0) return;
  RowHistory rows = sequence.rows();
  rows.truncate(sequence.cache().length());
  kept = Kept{std::move(sequence.cache()), std::move(rows)};
}

// Runs the rows that the cache does not have.
void Engine::State::prefill(Sequence& sequence, const Tensor& rows) {
  const int64_t count = rows.dim(0);
  const int64_t known = sequence.cache().length();
  const int64_t step = even_step(count - known, rows_per_step(model.config().llm, 0));
  for (int64_t begin = known; begin < count; begin += step) {
    ArenaScope scope(context().arena);
    const int64_t end = std::min(begin + step, count);
    const model::SequenceStep part{&sequence.cache(), end - begin};
    const Tensor logits = model.decode(context(), rows.rows(begin, end), {&part, 1});  // [1, V]
    if (end == count && !sequence.is_finished()) sequence.accept(logits_row(logits, 0));
  }
}

// Runs the last token of each: logits [B, V] for the next, valid until the next step.
Tensor Engine::State::step(std::span<Sequence* const> sequences) {
  const Stopwatch watch;
  context().arena.reset();
  std::vector<text::TokenId> ids;
  std::vector<model::SequenceStep> steps;
  for (Sequence* sequence : sequences) {
    ids.push_back(sequence->last_token());
    steps.push_back({.cache = &sequence->cache(), .rows = 1, .streams = true});
  }
  Tensor logits = model.decode(context(), model.embed(context(), ids), steps);
  for (Sequence* sequence : sequences)
    sequence->record_step(0, 0, watch.milliseconds());
  return logits;
}

// Chooses the next token of one sequence, or several where its text is guessed right.
void Engine::State::advance(Sequence& sequence) {
  const std::vector<text::TokenId> draft = sequence.draft();
  if (!draft.empty()) return try_draft(sequence, draft);
  Sequence* const only = &sequence;
  const Tensor logits = step({&only, 1});
  sequence.accept(logits_row(logits, 0));
}

// Runs the last token and a guess of those behind it in one step, then chooses one token after the
// other: each from the logits that it would have alone, since no row's bits depend on the rows
// behind it. A wrong guess ends the step, and what it left in the cache is forgotten.
void Engine::State::try_draft(Sequence& sequence, std::span<const text::TokenId> draft) {
  const Stopwatch watch;
  context().arena.reset();
  std::vector<text::TokenId> ids = {sequence.last_token()};
  ids.insert(ids.end(), draft.begin(), draft.end());
  model::KvCache& cache = sequence.cache();
  const int64_t before = cache.length();
  const model::SequenceStep part{
      .cache = &cache, .rows = static_cast<int64_t>(ids.size()), .streams = true};
  const Tensor logits = model.decode(context(), model.embed(context(), ids), {&part, 1}, true);
  const double milliseconds = watch.milliseconds();
  cache.truncate(before + 1);
  int64_t right = 0;
  sequence.accept(logits_row(logits, 0));
  while (right < std::ssize(draft) && !sequence.is_finished() &&
         sequence.last_token() == draft[static_cast<size_t>(right)]) {
    cache.advance(1);
    ++right;
    sequence.accept(logits_row(logits, right));
  }
  sequence.record_step(std::ssize(draft), right, milliseconds);
}

// The same for a batch, and the choice of the tokens; what fails in one stays in its slot.
void Engine::State::step_all(const Active& active, std::span<BatchResult> results) {
  std::vector<Sequence*> sequences;
  for (const auto& [index, sequence] : active)
    sequences.push_back(sequence.get());
  const Tensor logits = step(sequences);
  int64_t i = 0;
  for (const auto& [index, sequence] : active) {
    attempt(results[index], [&, owner = sequence.get()] { owner->accept(logits_row(logits, i)); });
    ++i;
  }
}

}  // namespace vila::engine
