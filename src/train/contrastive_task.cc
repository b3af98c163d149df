// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "data/dataset.h"
#include "text/tokenizer.h"
#include "train/augment.h"
#include "train/checkpoint_io.h"
#include "train/collate.h"
#include "train/layers.h"
#include "train/pair_sampler.h"
#include "train/pictures.h"
#include "train/row_cache.h"
#include "train/task.h"
#include "train/torch_compat.h"
#include "train/torch_decoder.h"
#include "train/torch_vision.h"
#include "train/vision_init.h"

namespace vila::train {
namespace {

constexpr const char* kTextPrefix = "text_model.";
constexpr const char* kLabelVectors = "label_vectors.weight";
constexpr int64_t kValidationBatch = 256;

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

/// The tower of `model` and, beside it, what only contrast needs: the text encoder (the decoder of
/// spec::parameters() under another prefix), projections into one space and a temperature.
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

std::vector<data::ImageSource> image_sources(const std::vector<PairSampler::Source>& a,
                                             const std::vector<PairSampler::Source>& b) {
  std::vector<data::ImageSource> paths;
  for (const auto* sources : {&a, &b}) {
    for (const auto& source : *sources) {
      for (const Pair& pair : source.pairs)
        paths.push_back(pair.image);
    }
  }
  return paths;
}

std::vector<PairSampler::Source> open_sources(const std::vector<DataSource>& sources) {
  std::vector<PairSampler::Source> opened;
  for (const DataSource& source : sources) {
    const auto dataset = data::open_dataset(source.path, source.kind, source.image_root);
    opened.push_back({read_pairs(*dataset), source.repeat});
  }
  return opened;
}

/// Cross entropy of rows of logits against several right answers each, all equally right; rows
/// without any are left out (Khosla et al. 2020, "Supervised Contrastive Learning", L_out).
at::Tensor multi_positive_loss(const at::Tensor& logits, const at::Tensor& positives) {
  const at::Tensor counts = positives.sum(1);
  const at::Tensor log_probability = logits.log_softmax(1);
  const at::Tensor per_row =
      -(log_probability.masked_fill(positives == 0.0, 0.0)).sum(1) / counts.clamp_min(1.0);
  const at::Tensor has_any = (counts > 0.0).to(at::kFloat);
  return (per_row * has_any).sum() / has_any.sum().clamp_min(1.0);
}

/// Words, and the label of what they name.
struct Text {
  std::string words;
  std::string label;
};

/// Vectors of pictures f32 [n, projection_dim] of length one, by the way they were read.
using Views = std::vector<std::pair<std::string, at::Tensor>>;

class ContrastiveTask : public Task {
 public:
  ContrastiveTask(const Recipe& recipe, const LogSink& log)
      : recipe_(recipe),
        tokenizer_(text::load_tokenizer(recipe.tokenizer)),
        text_config_(text_config(recipe, tokenizer_->vocab_size())) {
    auto training = open_sources(recipe.data);
    validation_ = open_sources(recipe.validation);
    images_ = std::make_unique<ImageCache>(recipe.cache, image_sources(training, validation_),
                                           recipe.model.image_processor, log);
    sampler_ = std::make_unique<PairSampler>(
        std::move(training), recipe.contrastive.drawings_per_label, recipe.train.seed);
    for (const std::string& label : sampler_->labels())
      label_rows_.emplace(label, static_cast<int64_t>(label_rows_.size()) + 1);
    parameters_.emplace(table(recipe, text_config_, static_cast<int64_t>(label_rows_.size())),
                        recipe.train.seed, recipe.train.device);
    structured_init(*parameters_, *recipe.model.vision, layers_at(0), recipe.train.seed);
    spread_label_vectors();
    load_parts(recipe.init, *parameters_);
  }

  ParameterSet& parameters() override { return *parameters_; }

  double batches_per_epoch() override {
    return static_cast<double>(sampler_->epoch_pairs()) /
           static_cast<double>(recipe_.train.batch_size);
  }

  BatchReport accumulate(Cursor& cursor, double scale) override;
  std::map<std::string, double> validate() override;

  void save(const std::filesystem::path& folder) const override {
    save_tower(folder, recipe_.model, *parameters_, recipe_.store_bf16);
  }

 private:
  void spread_label_vectors() const;
  int64_t layers_at(int64_t batch) const;
  Views image_vectors(const at::Tensor& pictures, int64_t layers) const;
  at::Tensor text_vectors(const std::vector<Text>& texts) const;
  at::Tensor pictures_of(const std::vector<const Pair*>& pairs) const;
  at::Tensor loss(const std::vector<const Pair*>& pairs, int64_t layers, Random& random) const;
  std::vector<double> naming_accuracy(const std::vector<Pair>& pairs,
                                      const std::vector<std::string>& names,
                                      const at::Tensor& name_vectors) const;

  Recipe recipe_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  spec::DecoderConfig text_config_;
  std::optional<ParameterSet> parameters_;
  std::map<std::string, int64_t> label_rows_;  // of label_vectors; row 0: no label
  std::vector<PairSampler::Source> validation_;
  std::unique_ptr<ImageCache> images_;
  std::unique_ptr<PairSampler> sampler_;
  int64_t layers_ = 0;  // of the last batch
};

/// Random directions: from the first step on each label is a target of its own.
void ContrastiveTask::spread_label_vectors() const {
  if (!recipe_.contrastive.label_vectors) return;
  at::NoGradGuard no_grad;
  constexpr double kTimesWordVectors = 25.0;  // a text encoder's first vectors all look alike
  parameters_->at(kLabelVectors).mul_(kTimesWordVectors);
}

/// How many of the tower's layers are in use at batch number `batch`.
int64_t ContrastiveTask::layers_at(int64_t batch) const {
  const LoopRecipe& loop = recipe_.train;
  const auto all = static_cast<double>(loop.gradient_accumulation) *
                   (loop.steps > 0 ? static_cast<double>(loop.steps) : 1.0);
  const int64_t most = recipe_.model.vision->num_hidden_layers;
  int64_t layers = most;
  for (const Growth& growth : recipe_.contrastive.growth) {
    if (static_cast<double>(batch) >= growth.from * all) layers = std::min(most, growth.layers);
  }
  return layers;
}

at::Tensor ContrastiveTask::pictures_of(const std::vector<const Pair*>& pairs) const {
  std::vector<int64_t> rows;
  for (const Pair* pair : pairs)
    rows.push_back(images_->index(pair->image));
  return load_pictures(*images_, rows, recipe_.train.device);
}

/// The class token of the last layer in use, as CLIP has it; and, of the layer before it that VILA
/// reads, the patches' mean and all patches side by side. The last learns soonest, since it need
/// not gather; it teaches the layers below what the other two then find.
Views ContrastiveTask::image_vectors(const at::Tensor& pictures, int64_t layers) const {
  const Precision precision = recipe_.train.precision;
  const spec::VisionConfig& vision = *recipe_.model.vision;
  const auto norm = [&](const at::Tensor& rows, const std::string& name) {
    return layer_norm(rows, parameters_->at(name + "weight"), parameters_->at(name + "bias"),
                      vision.layer_norm_eps, precision);
  };
  const auto project = [&](const at::Tensor& rows, const std::string& name) {
    const at::Tensor out = linear(rows, parameters_->at(name), {}, precision).to(at::kFloat);
    return out / out.norm(2, -1, true).clamp_min(1e-6);
  };
  const int64_t unused = vision.num_hidden_layers - recipe_.model.vision_layers_used();
  const int64_t read = std::max<int64_t>(0, layers - unused);
  const at::Tensor pixels = normalise_pictures(pictures, recipe_.model.image_processor);
  const at::Tensor embedded = vision_embed(*parameters_, vision, pixels, precision);
  const at::Tensor rows = vision_encode(*parameters_, vision, embedded, 0, read, precision);
  const at::Tensor last = vision_encode(*parameters_, vision, rows, read, layers, precision);
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

/// What the encoder makes of the words, plus the label's own vector.
at::Tensor ContrastiveTask::text_vectors(const std::vector<Text>& texts) const {
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
  const DecoderRows rows(batch.starts, batch.positions, text_config_, recipe_.train.device);
  const at::Tensor embedded =
      embed_tokens(*parameters_, kTextPrefix, at::tensor(batch.ids, at::kLong).to(device));
  const at::Tensor hidden =
      decoder_forward(*parameters_, kTextPrefix, text_config_, embedded, rows, precision);
  const at::Tensor pooled = pick_rows(hidden, at::tensor(ends, at::kLong).to(device));
  at::Tensor vectors =
      linear(pooled, parameters_->at("text_projection.weight"), {}, precision).to(at::kFloat);
  if (recipe_.contrastive.label_vectors) {
    const at::Tensor rows_of_labels = at::tensor(labels, at::kLong).to(device);
    vectors = vectors + at::embedding(parameters_->at(kLabelVectors), rows_of_labels);
  }
  return vectors / vectors.norm(2, -1, true).clamp_min(1e-6);
}

/// 1 where picture i, whose own text is the i-th, and text j mean the same: one concept, or the
/// same words. f32 [pairs, texts].
at::Tensor same_meaning(const std::vector<const Pair*>& pairs, const std::vector<Text>& texts) {
  const size_t n = pairs.size();
  const at::Tensor same =
      at::zeros({static_cast<int64_t>(n), static_cast<int64_t>(texts.size())}, at::kFloat);
  auto cells = same.accessor<float, 2>();
  for (size_t i = 0; i < n; ++i) {
    const std::string& label = pairs[i]->label;
    for (size_t j = 0; j < texts.size(); ++j) {
      const bool is_one_label = !label.empty() && label == texts[j].label;
      if (is_one_label || texts[i].words == texts[j].words)
        cells[static_cast<int64_t>(i)][static_cast<int64_t>(j)] = 1.0F;
    }
  }
  return same;
}

at::Tensor ContrastiveTask::loss(const std::vector<const Pair*>& pairs, int64_t layers,
                                 Random& random) const {
  const ContrastiveRecipe& recipe = recipe_.contrastive;
  const auto n = static_cast<int64_t>(pairs.size());
  std::vector<Text> texts;
  for (const Pair* pair : pairs) {
    const bool use_label = !pair->label.empty() && random.uniform() < recipe.label_text_ratio;
    texts.push_back({use_label ? pair->label : pair->text, pair->label});
  }
  for (int64_t i = 0; i < recipe.other_names; ++i) {
    if (const std::string& name = sampler_->any_label(random); !name.empty())
      texts.push_back({name, name});
  }
  const at::Tensor pictures = augment(pictures_of(pairs), recipe_.augment, random);
  const at::Tensor text = text_vectors(texts);
  const at::Tensor scale = parameters_->at("logit_scale").exp().clamp_max(recipe.max_logit_scale);
  const at::Tensor positives = same_meaning(pairs, texts).to(text.device());
  const at::Tensor own = positives.narrow(1, 0, n);
  const at::Tensor others = own * (1.0 - at::eye(n, own.options()));
  at::Tensor total = at::zeros({}, text.options());
  for (const auto& [name, image] : image_vectors(pictures, layers)) {
    const double weight = name == "class" ? 1.0 : recipe.patch_weight;
    const at::Tensor logits = at::matmul(image, text.t()) * scale;
    const at::Tensor both = multi_positive_loss(logits, positives) +
                            multi_positive_loss(logits.narrow(1, 0, n).t(), own);
    total = total + both * (0.5 * weight * recipe.text_weight);
    if (recipe.image_image_weight > 0.0) {
      // The temperature of the picture-picture term stays at 0.1: learnt, it would follow the
      // texts'.
      const at::Tensor alike =
          at::matmul(image, image.t()) * 10.0 - at::eye(n, image.options()) * 1e4;
      total = total + multi_positive_loss(alike, others) * (weight * recipe.image_image_weight);
    }
  }
  return total;
}

BatchReport ContrastiveTask::accumulate(Cursor& cursor, double scale) {
  const auto pairs = sampler_->batch(cursor.position, recipe_.train.batch_size);
  Random random(recipe_.train.seed + 2, static_cast<uint64_t>(cursor.position));
  layers_ = layers_at(cursor.position);
  const at::Tensor value = loss(pairs, layers_, random);
  (value * scale).backward();
  ++cursor.position;
  const auto count = static_cast<int64_t>(pairs.size());
  return {value.item<double>(), 0, count, count};
}

std::vector<double> ContrastiveTask::naming_accuracy(const std::vector<Pair>& pairs,
                                                     const std::vector<std::string>& names,
                                                     const at::Tensor& name_vectors) const {
  std::vector<double> right;
  int64_t count = 0;
  const int64_t layers = layers_ > 0 ? layers_ : layers_at(0);
  const auto stride =
      std::max<size_t>(1, pairs.size() / static_cast<size_t>(recipe_.train.validation_samples));
  std::vector<const Pair*> batch;
  const auto score = [&] {
    const Views views = image_vectors(pictures_of(batch), layers);
    right.resize(views.size(), 0.0);
    for (size_t view = 0; view < views.size(); ++view) {
      const at::Tensor scores = at::matmul(views[view].second, name_vectors.t());
      const at::Tensor best = scores.argmax(1).to(at::kCPU);
      for (size_t i = 0; i < batch.size(); ++i) {
        const auto name = static_cast<size_t>(best[static_cast<int64_t>(i)].item<int64_t>());
        right[view] += names[name] == batch[i]->label ? 1.0 : 0.0;
      }
    }
    count += static_cast<int64_t>(batch.size());
    batch.clear();
  };
  for (size_t i = 0; i < pairs.size(); i += stride) {
    if (pairs[i].label.empty()) continue;
    batch.push_back(&pairs[i]);
    if (static_cast<int64_t>(batch.size()) == kValidationBatch) score();
  }
  if (!batch.empty()) score();
  for (double& value : right)
    value /= static_cast<double>(count);
  return right;
}

std::map<std::string, double> ContrastiveTask::validate() {
  at::NoGradGuard no_grad;
  std::map<std::string, double> figures;
  const std::vector<std::string> known = sampler_->labels();
  std::set<std::string> all(known.begin(), known.end());
  for (const auto& source : validation_) {
    for (const Pair& pair : source.pairs)
      all.insert(pair.label);
  }
  all.erase("");
  const std::vector<std::string> names(all.begin(), all.end());
  if (names.empty()) return figures;
  std::vector<at::Tensor> blocks;
  std::vector<Text> texts;
  for (const std::string& name : names) {
    texts.push_back({name, name});
    if (std::ssize(texts) < kValidationBatch && &name != &names.back()) continue;
    blocks.push_back(text_vectors(texts));
    texts.clear();
  }
  const at::Tensor vectors = at::cat(blocks);
  constexpr std::array kViews = {"class", "mean", "flat"};
  for (size_t i = 0; i < validation_.size(); ++i) {
    const std::vector<double> right = naming_accuracy(validation_[i].pairs, names, vectors);
    for (size_t view = 0; view < right.size(); ++view)
      figures[fmt::format("{}/top1_{}", recipe_.validation[i].name, kViews[view])] = right[view];
  }
  return figures;
}

}  // namespace

std::unique_ptr<Task> make_contrastive_task(const Recipe& recipe, const LogSink& log) {
  return std::make_unique<ContrastiveTask>(recipe, log);
}

}  // namespace vila::train
