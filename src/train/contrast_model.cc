// SPDX-License-Identifier: Apache-2.0
#include "train/contrast_model.h"

#include <algorithm>

#include "base/error.h"
#include "train/checkpoint_io.h"
#include "train/collate.h"
#include "train/layers.h"
#include "train/pictures.h"
#include "train/torch_compat.h"
#include "train/torch_decoder.h"
#include "train/torch_vision.h"
#include "train/vision_init.h"

namespace vila::train {
namespace {

constexpr const char* kTextPrefix = "text_model.";
constexpr const char* kLabelVectors = "label_vectors.weight";

spec::DecoderConfig text_config(const Recipe& recipe, int64_t vocab_size) {
  spec::DecoderConfig config;
  config.hidden_size = recipe.contrastive.text_hidden_size;
  config.num_hidden_layers = recipe.contrastive.text_layers;
  config.num_attention_heads = recipe.contrastive.text_heads;
  config.num_key_value_heads = recipe.contrastive.text_heads;
  config.head_dim = config.hidden_size / config.num_attention_heads;
  config.intermediate_size = 8 * config.hidden_size / 3;
  config.vocab_size = vocab_size;
  config.tie_word_embeddings = true;
  return config;
}

/// @param labels  how many different labels the pairs have.
std::vector<spec::Parameter> table(const Recipe& recipe, const spec::DecoderConfig& text,
                                   int64_t labels) {
  std::vector<spec::Parameter> rows;
  for (const spec::Parameter& row : spec::parameters(recipe.model)) {
    if (row.part == spec::Part::vision_tower) rows.push_back(row);
  }
  const int64_t width = recipe.contrastive.projection_dim;
  const auto add = [&](const char* name, const Shape& shape, bool has_decay) {
    rows.push_back({name, shape, spec::Part::vision_tower, has_decay, true});
  };
  const int64_t hidden = recipe.model.vision->hidden_size;
  add("visual_projection.weight", Shape{width, hidden}, true);
  if (recipe.contrastive.patch_weight > 0.0) {
    const int64_t grid = recipe.model.vision->grid();
    add("patch_layernorm.weight", Shape{hidden}, false);
    add("patch_layernorm.bias", Shape{hidden}, false);
    add("mean_projection.weight", Shape{width, hidden}, true);
    add("flat_projection.weight", Shape{width, grid * grid * hidden}, true);
  }
  add("text_projection.weight", Shape{width, text.hidden_size}, true);
  add("logit_scale", Shape{1}, false);
  if (recipe.contrastive.label_vectors) add(kLabelVectors, Shape{labels + 1, width}, false);
  spec::VilaConfig plain;
  plain.llm = text;
  for (spec::Parameter row : spec::parameters(plain)) {
    row.name = kTextPrefix + row.name;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// A row of label_vectors for each label, from 1 on.
std::map<std::string, int64_t> number(const std::vector<std::string>& labels) {
  std::map<std::string, int64_t> rows;
  for (const std::string& label : labels)
    rows.emplace(label, static_cast<int64_t>(rows.size()) + 1);
  return rows;
}

}  // namespace

ContrastModel::ContrastModel(const Recipe& recipe, const std::vector<std::string>& labels,
                             int64_t first_layers)
    : recipe_(recipe),
      tokenizer_(text::load_tokenizer(recipe.tokenizer)),
      text_(text_config(recipe, tokenizer_->vocab_size())),
      label_rows_(number(labels)),
      parameters_(table(recipe, text_, static_cast<int64_t>(label_rows_.size())), recipe.train.seed,
                  recipe.train.device) {
  structured_init(parameters_, *recipe.model.vision, first_layers, recipe.train.seed);
  spread_label_vectors();
  load_parts(recipe.init, parameters_);
}

/// Random directions: from the first step on each label is a target of its own.
void ContrastModel::spread_label_vectors() const {
  if (!recipe_.contrastive.label_vectors) return;
  at::NoGradGuard no_grad;
  constexpr double kTimesWordVectors = 25.0;  // a text encoder's first vectors all look alike
  parameters_.at(kLabelVectors).mul_(kTimesWordVectors);
}

at::Tensor ContrastModel::scale() const {
  return parameters_.at("logit_scale").exp().clamp_max(recipe_.contrastive.max_logit_scale);
}

/// Rows times a projection, made vectors of length one.
at::Tensor ContrastModel::project(const at::Tensor& rows, const std::string& name) const {
  const at::Tensor out =
      linear(rows, parameters_.at(name), {}, recipe_.train.precision).to(at::kFloat);
  return out / out.norm(2, -1, true).clamp_min(1e-6);
}

Views ContrastModel::image_vectors(const at::Tensor& pictures, int64_t layers) const {
  const Precision precision = recipe_.train.precision;
  const spec::VisionConfig& vision = *recipe_.model.vision;
  const auto norm = [&](const at::Tensor& rows, const std::string& name) {
    return layer_norm(rows, parameters_.at(name + "weight"), parameters_.at(name + "bias"),
                      vision.layer_norm_eps, precision);
  };
  // The flat reading learns soonest, since it need not gather; it teaches the layers below what
  // the others then find.
  const int64_t unused = vision.num_hidden_layers - recipe_.model.vision_layers_used();
  const int64_t read = std::max<int64_t>(0, layers - unused);
  const at::Tensor pixels = normalise_pictures(pictures, recipe_.model.image_processor);
  const at::Tensor embedded = vision_embed(parameters_, vision, pixels, precision);
  const at::Tensor rows = vision_encode(parameters_, vision, embedded, 0, read, precision);
  const at::Tensor last = vision_encode(parameters_, vision, rows, read, layers, precision);
  const std::string post = fmt::format("{}post_layernorm.", spec::kVisionPrefix);
  Views views = {{"class", project(norm(last.select(1, 0), post), "visual_projection.weight")}};
  if (recipe_.contrastive.patch_weight > 0.0) {
    const int64_t patches = rows.size(1) - 1;
    const at::Tensor flat =
        norm(rows.narrow(1, 1, patches).reshape({-1, vision.hidden_size}), "patch_layernorm.");
    const at::Tensor patch = flat.view({-1, patches, vision.hidden_size});
    views.emplace_back("mean", project(patch.mean(1), "mean_projection.weight"));
    views.emplace_back("flat", project(patch.flatten(1), "flat_projection.weight"));
  }
  return views;
}

at::Tensor ContrastModel::text_vectors(const std::vector<Text>& texts) const {
  const Precision precision = recipe_.train.precision;
  const auto longest = static_cast<size_t>(recipe_.contrastive.text_max_length);
  std::vector<EncodedSample> samples;
  std::vector<int64_t> labels;
  for (const Text& text : texts) {
    const auto row = label_rows_.find(text.label);
    labels.push_back(row == label_rows_.end() ? 0 : row->second);
    auto ids = tokenizer_->encode(text.words);
    if (ids.size() >= longest) ids.resize(longest - 1);
    ids.push_back(tokenizer_->eos_id());
    EncodedSample sample;
    sample.ids.assign(ids.begin(), ids.end());
    sample.labels = sample.ids;
    samples.push_back(std::move(sample));
  }
  const PackedBatch batch = pack(samples);
  std::vector<int64_t> ends;
  for (size_t i = 1; i < batch.starts.size(); ++i)
    ends.push_back(batch.starts[i] - 1);
  const at::Device device(recipe_.train.device);
  const DecoderRows rows(batch.starts, batch.positions, text_, recipe_.train.device);
  const at::Tensor embedded =
      embed_tokens(parameters_, kTextPrefix, at::tensor(batch.ids, at::kLong).to(device));
  const at::Tensor hidden =
      decoder_forward(parameters_, kTextPrefix, text_, embedded, rows, precision);
  const at::Tensor pooled = pick_rows(hidden, at::tensor(ends, at::kLong).to(device));
  at::Tensor vectors =
      linear(pooled, parameters_.at("text_projection.weight"), {}, precision).to(at::kFloat);
  if (recipe_.contrastive.label_vectors) {
    const at::Tensor rows_of_labels = at::tensor(labels, at::kLong).to(device);
    vectors = vectors + at::embedding(parameters_.at(kLabelVectors), rows_of_labels);
  }
  return vectors / vectors.norm(2, -1, true).clamp_min(1e-6);
}

}  // namespace vila::train
