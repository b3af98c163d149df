// SPDX-License-Identifier: Apache-2.0
#include "engine/verify.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "base/error.h"
#include "engine/sampler.h"
#include "engine/verify_case.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "media/decode.h"
#include "media/tiling.h"
#include "model/vila.h"
#include "spec/prompt.h"
#include "spec/splice.h"
#include "tensor/compare.h"
#include "text/tokenizer.h"

namespace vila::engine {
namespace {

constexpr double kPixelTolerance = 2e-6;        // absolute: 8-bit resampling is exact
constexpr double kScaledPixelTolerance = 5e-6;  // S2 resizes in f32
constexpr double kTensorTolerance = 3e-5;
constexpr double kTieMargin = 1e-3;  // ids whose logits are closer may stand in any order
constexpr int64_t kTop = 5;

using Ids = std::vector<text::TokenId>;
using TensorMap = std::map<std::string, Tensor, std::less<>>;

VerifyRow compare_ids(std::string name, std::span<const text::TokenId> actual,
                      std::span<const text::TokenId> expected) {
  VerifyRow row{.name = std::move(name), .is_absolute = true};
  const size_t common = std::min(actual.size(), expected.size());
  size_t first = common;
  for (size_t i = common; i-- > 0;) {
    if (actual[i] == expected[i]) continue;
    first = i;
    row.max_abs += 1;
  }
  row.max_abs += static_cast<double>(std::max(actual.size(), expected.size()) - common);
  row.is_passed = row.max_abs == 0;
  if (row.is_passed) return row;
  row.note =
      first < common
          ? fmt::format("first at {}: expected {}, found {}", first, expected[first], actual[first])
          : fmt::format("expected {} ids, found {}", expected.size(), actual.size());
  return row;
}

VerifyRow compare_tensors(std::string name, const Tensor& actual, const Tensor& expected) {
  VerifyRow row{.name = std::move(name), .tolerance = kTensorTolerance};
  const bool is_scaled = row.name.find(".vision.pixels") != std::string::npos;
  if (is_scaled || row.name.ends_with(".pixel_values")) {
    row.tolerance = is_scaled ? kScaledPixelTolerance : kPixelTolerance;
    row.is_absolute = true;
  }
  if (!(actual.shape() == expected.shape())) {
    row.max_abs = row.relative = INFINITY;
    row.note = fmt::format("expected {}, found {}", expected.text(), actual.text());
    return row;
  }
  const Difference difference = compare(actual, expected);
  row.max_abs = difference.max_abs;
  row.relative = difference.relative();
  row.is_passed = (row.is_absolute ? row.max_abs : row.relative) <= row.tolerance;
  if (!row.is_passed) row.note = fmt::format("largest at element {}", difference.worst);
  return row;
}

// The five best of every greedy step.
struct Greedy {
  Ids ids;            // [steps]
  Ids top_ids;        // [steps, 5]
  Tensor top_logits;  // [steps, 5]
};

// Ids that differ, beyond those whose logits are too close to tell apart.
VerifyRow compare_top_ids(std::string name, const Greedy& actual, const Tensor& expected_ids,
                          const Tensor& expected_logits) {
  const std::span<const int32_t> ids = expected_ids.values<int32_t>();
  const std::span<const float> logits = expected_logits.values<float>();
  Ids found = actual.top_ids;
  if (found.size() != ids.size() || logits.size() != ids.size()) {
    return compare_ids(std::move(name), found, ids);
  }
  const auto is_close = [&](size_t a, size_t b) {
    return std::abs(logits[a] - logits[b]) <= kTieMargin;
  };
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t rank = i % kTop;
    const bool is_tied =
        rank > 0 && (is_close(i, i - 1) || (rank + 1 < kTop && is_close(i, i + 1)));
    if (is_tied) found[i] = ids[i];
  }
  return compare_ids(std::move(name), found, ids);
}

// The references multiply packed weights with floats.
LoadOptions exact(LoadOptions options) {
  options.activations = ops::PackedActivations::float32;
  return options;
}

// Runs one case.
class Verifier {
 public:
  Verifier(const std::filesystem::path& folder, const formats::Checkpoint& checkpoint,
           const LoadOptions& options)
      : workspace_(exact(options)),
        model_(model::Vila::load(checkpoint, context().pool)),
        tokenizer_(text::load_tokenizer(checkpoint.tokenizer_folder)),
        expected_(formats::read_safetensors(folder / "expected.safetensors").tensors) {}

  void run(const Prompt& prompt);
  void run_pools(const Case& recorded);

  std::vector<VerifyRow> take_rows() { return std::move(rows_); }

 private:
  ops::Context& context() { return workspace_.context(); }

  void check_vocabulary(const Prompt& prompt) const;
  void observe(std::string_view name, const Tensor& tensor);
  void check(const std::string& name, const Tensor& actual);

  Ids end_ids() const { return spec::media_end_ids(model_.config(), *tokenizer_); }

  media::TiledPicture prepare(const Prompt& prompt, const std::filesystem::path& path) const;
  std::vector<Tensor> encode(const Prompt& prompt);
  std::vector<Tensor> encode_pictures(const Prompt& prompt);
  Tensor encode_video(const Prompt& prompt);
  Tensor frames(const Prompt& prompt);
  Greedy decode(const Prompt& prompt, std::span<const Tensor> images);
  void check_greedy(const Prompt& prompt, const Greedy& greedy);
  void report_unseen(const Prompt& prompt);

  Workspace workspace_;
  model::Vila model_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  TensorMap expected_;
  std::set<std::string> seen_;  // names in expected_ that were compared
  std::string prefix_;          // name of the prompt and a dot
  int64_t tower_calls_ = 0;     // of this prompt: S2 calls the tower once for each scale
  std::vector<VerifyRow> rows_;
};

// Compares where the case has such a tensor: it leaves out what equals another prompt's.
void Verifier::check(const std::string& name, const Tensor& actual) {
  const auto it = expected_.find(prefix_ + name);
  if (it == expected_.end() || !seen_.insert(it->first).second) return;
  rows_.push_back(compare_tensors(it->first, actual, it->second));
}

// From the model's names to the case's.
void Verifier::observe(std::string_view name, const Tensor& tensor) {
  const std::string text(name);
  const int64_t last_layer = model_.config().llm.num_hidden_layers - 1;
  if (name == "logits") {
    const int64_t rows = tensor.dim(0);
    check("logits_last", tensor.rows(std::max<int64_t>(0, rows - 16), rows));
    return;
  }
  if (name == "vision.pixels") ++tower_calls_;
  check(name.starts_with("vision.") ? fmt::format("{}.{}", text, tower_calls_ - 1) : text, tensor);
  if (text == fmt::format("layer.{}", last_layer)) check("layer.last", tensor);
}

media::TiledPicture Verifier::prepare(const Prompt& prompt,
                                      const std::filesystem::path& path) const {
  media::ProcessorConfig processor = model_.config().image_processor;
  if (!prompt.is_tiled && processor.is_tiled())
    processor.mode = media::ProcessorConfig::Mode::resize;
  return media::tile_picture(media::load_image(path), processor);
}

std::vector<Tensor> Verifier::encode_pictures(const Prompt& prompt) {
  std::vector<media::Image> tiles;
  const Ids ends = end_ids();
  model::MediaBatch batch{.pixels = {}, .pictures = {}, .end_ids = ends};
  for (const std::filesystem::path& path : prompt.images) {
    media::TiledPicture picture = prepare(prompt, path);
    batch.pictures.push_back(
        {std::ssize(picture.tiles), picture.block.rows, picture.block.columns});
    std::ranges::move(picture.tiles, std::back_inserter(tiles));
  }
  batch.pixels = media::normalise_tiles(tiles, model_.config().image_processor);
  check("pixel_values", batch.pixels);
  return model_.encode_media(context(), batch);
}

// The frames of a video, as they stand behind one token or in a row of picture tokens.
Tensor Verifier::frames(const Prompt& prompt) {
  std::vector<media::Image> images;
  for (const std::filesystem::path& path : prompt.images)
    images.push_back(std::move(prepare(prompt, path).tiles.front()));
  return media::normalise_tiles(images, model_.config().image_processor);
}

Tensor Verifier::encode_video(const Prompt& prompt) {
  const Ids ends = end_ids();
  model::VideoBatch batch{.pixels = frames(prompt), .pools = {}, .end_ids = ends};
  if (prompt.route == Route::video_pooled) batch.pools = model_.config().video_pools;
  check("pixel_values", batch.pixels);
  return model_.encode_video(context(), batch);
}

std::vector<Tensor> Verifier::encode(const Prompt& prompt) {
  if (prompt.images.empty()) return {};
  std::vector<Tensor> media = prompt.route == Route::pictures
                                  ? encode_pictures(prompt)
                                  : std::vector<Tensor>{encode_video(prompt)};
  for (size_t i = 0; i < media.size(); ++i)
    check(fmt::format("media.{}", i), media[i]);
  return media;
}

// The other poolings that a video case records, of the frames of its first prompt.
void Verifier::run_pools(const Case& recorded) {
  if (recorded.other_pools.empty()) return;
  prefix_.clear();
  context().arena.reset();
  context().observer = {};
  const Ids ends = end_ids();
  const Ids separator = tokenizer_->encode(recorded.separator, {.add_bos = false});
  for (const OtherPools& other : recorded.other_pools) {
    model::VideoBatch batch{
        .pixels = frames(recorded.prompts.front()), .pools = other.pools, .end_ids = ends};
    if (other.pools.size() > 1) batch.separator_ids = separator;
    check(other.name, model_.encode_video(context(), batch));
  }
}

Greedy Verifier::decode(const Prompt& prompt, std::span<const Tensor> images) {
  const auto steps = static_cast<int64_t>(prompt.greedy_ids.size());
  std::vector<int64_t> media_rows;
  for (const Tensor& image : images)
    media_rows.push_back(image.dim(0));
  const Ids ids = spec::mark_media(*tokenizer_, prompt.ids);
  const spec::Splice layout = spec::splice(ids, media_rows, 0);
  rows_.push_back(compare_ids(prefix_ + "sequence_length",
                              Ids{static_cast<text::TokenId>(layout.length)},
                              Ids{static_cast<text::TokenId>(prompt.length)}));
  model::KvCache cache(model_.config().llm, layout.length + steps);
  Greedy greedy;
  greedy.top_logits = Tensor::empty(DType::f32, {steps, kTop});
  Tensor rows = model_.embed(context(), ids, layout, images);
  for (int64_t step = 0; step < steps; ++step) {
    const model::SequenceStep part{&cache, rows.dim(0)};
    const Tensor all = model_.decode(context(), rows, {&part, 1}, true);
    const std::span<const float> logits = all.rows(all.dim(0) - 1, all.dim(0)).values<float>();
    const Ids best = best_ids(logits, kTop);
    for (size_t i = 0; i < best.size(); ++i) {
      greedy.top_logits.rows(step, step + 1).values<float>()[i] =
          logits[static_cast<size_t>(best[i])];
    }
    greedy.top_ids.insert(greedy.top_ids.end(), best.begin(), best.end());
    greedy.ids.push_back(best.front());
    context().arena.reset();
    rows = model_.embed(context(), {&greedy.ids.back(), 1});
  }
  return greedy;
}

void Verifier::check_greedy(const Prompt& prompt, const Greedy& greedy) {
  rows_.push_back(compare_ids(prefix_ + "greedy_ids", greedy.ids, prompt.greedy_ids));
  check("greedy.top5_logits", greedy.top_logits);
  const auto ids = expected_.find(prefix_ + "greedy.top5_ids");
  const auto logits = expected_.find(prefix_ + "greedy.top5_logits");
  if (ids == expected_.end() || logits == expected_.end()) return;
  seen_.insert(ids->first);
  rows_.push_back(compare_top_ids(ids->first, greedy, ids->second, logits->second));
}

void Verifier::report_unseen(const Prompt& prompt) {
  for (const auto& [name, tensor] : expected_) {
    if (!name.starts_with(prompt.name + ".") || seen_.contains(name)) continue;
    rows_.push_back({.name = name, .note = "recorded, but this program computes no such tensor"});
  }
}

// The recorded ids are given to the model as they are.
void Verifier::check_vocabulary(const Prompt& prompt) const {
  const int64_t size = model_.config().llm.vocab_size;
  const Ids ids = spec::mark_media(*tokenizer_, prompt.ids);  // NVILA's media tokens have no rows
  const auto largest = std::ranges::max_element(ids);
  if (largest == ids.end() || *largest < size) return;
  fail(ErrorCode::invalid_model,
       "case \"{}\": expected a model that knows token {}, found a vocabulary of {}", prompt.name,
       *largest, size);
}

void Verifier::run(const Prompt& prompt) {
  check_vocabulary(prompt);
  prefix_ = prompt.name + ".";
  tower_calls_ = 0;
  context().arena.reset();
  context().observer = [this](std::string_view name, const Tensor& tensor) {
    observe(name, tensor);
  };
  rows_.push_back(compare_ids(prefix_ + "input_ids",
                              spec::tokenize_prompt(*tokenizer_, prompt.text),
                              spec::mark_media(*tokenizer_, prompt.ids)));
  const std::vector<Tensor> images = encode(prompt);
  check_greedy(prompt, decode(prompt, images));
  report_unseen(prompt);
}

}  // namespace

std::vector<VerifyRow> verify_reference(const std::filesystem::path& case_folder,
                                        const LoadOptions& options,
                                        const std::filesystem::path& model) {
  const Case recorded = read_case(case_folder);
  const formats::Checkpoint checkpoint =
      formats::open_checkpoint(model.empty() ? case_folder / "checkpoint" : model);
  Verifier verifier(case_folder, checkpoint, options);
  for (const Prompt& prompt : recorded.prompts)
    verifier.run(prompt);
  verifier.run_pools(recorded);
  return verifier.take_rows();
}

}  // namespace vila::engine
