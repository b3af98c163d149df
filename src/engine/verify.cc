// SPDX-License-Identifier: Apache-2.0
#include "engine/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/sampler.h"
#include "formats/safetensors.h"
#include "media/decode.h"
#include "media/image_processor.h"
#include "model/vila.h"
#include "spec/prompt.h"
#include "spec/splice.h"
#include "tensor/compare.h"
#include "text/tokenizer.h"

namespace vila::engine {
namespace {

constexpr double kPixelTolerance = 2e-6;  // absolute: 8-bit resampling is exact
constexpr double kTensorTolerance = 3e-5;
constexpr double kTieMargin = 1e-3;  // ids whose logits are closer may stand in any order
constexpr int64_t kTop = 5;

using Ids = std::vector<text::TokenId>;
using TensorMap = std::map<std::string, Tensor, std::less<>>;

struct Prompt {
  std::string name;
  std::string text;
  std::vector<std::filesystem::path> images;
  Ids ids;
  Ids greedy_ids;
  int64_t length = 0;
};

std::vector<Prompt> read_prompts(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "inputs" / "prompt.json";
  const Json json = parse_json(read_file(path), path.string());
  std::vector<Prompt> prompts;
  try {
    for (const Json& item : json.at("prompts")) {
      Prompt prompt{.name = item.at("name").get<std::string>(),
                    .text = item.at("prompt").get<std::string>(),
                    .images = {},
                    .ids = item.at("input_ids").get<Ids>(),
                    .greedy_ids = item.at("greedy_ids").get<Ids>(),
                    .length = item.at("sequence_length").get<int64_t>()};
      for (const Json& image : item.at("images")) {
        prompt.images.push_back(folder / image.get<std::string>());
      }
      prompts.push_back(std::move(prompt));
    }
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::invalid_data, "{}: not a recorded case: {}", path.string(), error.what());
  }
  return prompts;
}

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
  if (row.name.find(".vision.pixels") != std::string::npos) {
    row.tolerance = kPixelTolerance;
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

// Runs one case.
class Verifier {
 public:
  Verifier(const std::filesystem::path& folder, const LoadOptions& options)
      : workspace_(options),
        model_(model::Vila::load(folder / "checkpoint")),
        tokenizer_(text::load_tokenizer(folder / "checkpoint")),
        expected_(formats::read_safetensors(folder / "expected.safetensors").tensors) {}

  void run(const Prompt& prompt);

  std::vector<VerifyRow> take_rows() { return std::move(rows_); }

 private:
  ops::Context& context() { return workspace_.context(); }

  void observe(std::string_view name, const Tensor& tensor);
  void check(const std::string& name, const Tensor& actual);
  std::vector<Tensor> encode(const Prompt& prompt);
  Greedy decode(const Prompt& prompt, std::span<const Tensor> images);
  void check_greedy(const Prompt& prompt, const Greedy& greedy);
  void report_unseen(const Prompt& prompt);

  Workspace workspace_;
  model::Vila model_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  TensorMap expected_;
  std::set<std::string> seen_;  // names in expected_ that were compared
  std::string prefix_;          // name of the prompt and a dot
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
  check(name.starts_with("vision.") ? text + ".0" : text, tensor);
  if (text == fmt::format("layer.{}", last_layer)) check("layer.last", tensor);
}

std::vector<Tensor> Verifier::encode(const Prompt& prompt) {
  std::vector<Tensor> images;
  if (prompt.images.empty()) return images;
  const media::ProcessorConfig& processor = model_.config().image_processor;
  const auto count = static_cast<int64_t>(prompt.images.size());
  const int64_t side = processor.image_size;
  const Tensor pixels = Tensor::empty(DType::f32, {count, 3, side, side});
  for (int64_t i = 0; i < count; ++i) {
    const media::Image image = media::load_image(prompt.images[static_cast<size_t>(i)]);
    const Tensor picture = media::process_image(image, processor);
    std::memcpy(pixels.rows(i, i + 1).raw(), picture.raw(), picture.nbytes());
  }
  const Tensor rows = model_.encode_images(context(), pixels).to(DType::f32);
  for (int64_t i = 0; i < count; ++i) {
    images.push_back(rows.rows(i, i + 1).reshape({rows.dim(1), rows.dim(2)}));
  }
  return images;
}

Greedy Verifier::decode(const Prompt& prompt, std::span<const Tensor> images) {
  const auto steps = static_cast<int64_t>(prompt.greedy_ids.size());
  const spec::Splice layout =
      spec::splice(prompt.ids, static_cast<int64_t>(images.size()),
                   model_.config().has_vision() ? model_.config().tokens_per_image() : 0, 0);
  rows_.push_back(compare_ids(prefix_ + "sequence_length",
                              Ids{static_cast<text::TokenId>(layout.length)},
                              Ids{static_cast<text::TokenId>(prompt.length)}));
  model::KvCache cache(model_.config().llm, layout.length + steps);
  Greedy greedy;
  greedy.top_logits = Tensor::empty(DType::f32, {steps, kTop});
  Tensor rows = model_.embed(context(), prompt.ids, layout, images);
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

void Verifier::run(const Prompt& prompt) {
  prefix_ = prompt.name + ".";
  context().arena.reset();
  context().observer = [this](std::string_view name, const Tensor& tensor) {
    observe(name, tensor);
  };
  rows_.push_back(compare_ids(prefix_ + "input_ids",
                              spec::tokenize_prompt(*tokenizer_, prompt.text), prompt.ids));
  const std::vector<Tensor> images = encode(prompt);
  check_greedy(prompt, decode(prompt, images));
  report_unseen(prompt);
}

}  // namespace

std::vector<VerifyRow> verify_reference(const std::filesystem::path& case_folder,
                                        const LoadOptions& options) {
  const std::vector<Prompt> prompts = read_prompts(case_folder);
  Verifier verifier(case_folder, options);
  for (const Prompt& prompt : prompts)
    verifier.run(prompt);
  return verifier.take_rows();
}

}  // namespace vila::engine
