// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
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

namespace vila::train {
namespace {

constexpr const char* kTextPrefix = "text_model.";
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
/// spec::parameters() under another prefix), two projections into one space and a temperature.
std::vector<spec::Parameter> table(const Recipe& recipe, const spec::DecoderConfig& text) {
  std::vector<spec::Parameter> rows;
  for (const spec::Parameter& row : spec::parameters(recipe.model)) {
    if (row.part == spec::Part::vision_tower) rows.push_back(row);
  }
  const int64_t width = recipe.contrastive.projection_dim;
  const auto add = [&](const char* name, const Shape& shape, bool has_decay) {
    rows.push_back({name, shape, spec::Part::vision_tower, has_decay, true});
  };
  add("visual_projection.weight", Shape{width, recipe.model.vision->hidden_size}, true);
  add("text_projection.weight", Shape{width, text.hidden_size}, true);
  add("logit_scale", Shape{1}, false);
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

class ContrastiveTask : public Task {
 public:
  ContrastiveTask(const Recipe& recipe, const LogSink& log)
      : recipe_(recipe),
        tokenizer_(text::load_tokenizer(recipe.tokenizer)),
        text_config_(text_config(recipe, tokenizer_->vocab_size())),
        parameters_(table(recipe, text_config_), recipe.train.seed, recipe.train.device) {
    auto training = open_sources(recipe.data);
    validation_ = open_sources(recipe.validation);
    images_ = std::make_unique<ImageCache>(recipe.cache, image_sources(training, validation_),
                                           recipe.model.image_processor, log);
    sampler_ = std::make_unique<PairSampler>(
        std::move(training), recipe.contrastive.drawings_per_label, recipe.train.seed);
  }

  ParameterSet& parameters() override { return parameters_; }

  double batches_per_epoch() override {
    return static_cast<double>(sampler_->epoch_pairs()) /
           static_cast<double>(recipe_.train.batch_size);
  }

  BatchReport accumulate(Cursor& cursor, double scale) override;
  std::map<std::string, double> validate() override;

  void save(const std::filesystem::path& folder) const override {
    save_tower(folder, recipe_.model, parameters_, recipe_.store_bf16);
  }

 private:
  at::Tensor image_vectors(const at::Tensor& pictures) const;
  at::Tensor text_vectors(const std::vector<std::string>& texts) const;
  at::Tensor pictures_of(const std::vector<const Pair*>& pairs) const;
  at::Tensor loss(const std::vector<const Pair*>& pairs, Random& random) const;
  double naming_accuracy(const std::vector<Pair>& pairs, const std::vector<std::string>& names,
                         const at::Tensor& name_vectors) const;

  Recipe recipe_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  spec::DecoderConfig text_config_;
  ParameterSet parameters_;
  std::vector<PairSampler::Source> validation_;
  std::unique_ptr<ImageCache> images_;
  std::unique_ptr<PairSampler> sampler_;
};

at::Tensor ContrastiveTask::pictures_of(const std::vector<const Pair*>& pairs) const {
  std::vector<int64_t> rows;
  for (const Pair* pair : pairs)
    rows.push_back(images_->index(pair->image));
  return load_pictures(*images_, rows, recipe_.train.device);
}

at::Tensor ContrastiveTask::image_vectors(const at::Tensor& pictures) const {
  const Precision precision = recipe_.train.precision;
  const spec::VisionConfig& vision = *recipe_.model.vision;
  const at::Tensor pixels = normalise_pictures(pictures, recipe_.model.image_processor);
  const at::Tensor rows =
      vision_forward(parameters_, vision, pixels, vision.num_hidden_layers, precision);
  const std::string norm = fmt::format("{}post_layernorm.", spec::kVisionPrefix);
  const at::Tensor pooled =
      layer_norm(rows.select(1, 0), parameters_.at(norm + "weight"), parameters_.at(norm + "bias"),
                 vision.layer_norm_eps, precision);
  const at::Tensor vectors =
      linear(pooled, parameters_.at("visual_projection.weight"), {}, precision).to(at::kFloat);
  return vectors / vectors.norm(2, -1, true).clamp_min(1e-6);
}

at::Tensor ContrastiveTask::text_vectors(const std::vector<std::string>& texts) const {
  const Precision precision = recipe_.train.precision;
  const auto longest = static_cast<size_t>(recipe_.contrastive.text_max_length);
  std::vector<EncodedSample> samples;
  for (const std::string& text : texts) {
    auto ids = tokenizer_->encode(text);
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
      embed_tokens(parameters_, kTextPrefix, at::tensor(batch.ids, at::kLong).to(device));
  const at::Tensor hidden =
      decoder_forward(parameters_, kTextPrefix, text_config_, embedded, rows, precision);
  const at::Tensor pooled = pick_rows(hidden, at::tensor(ends, at::kLong).to(device));
  const at::Tensor vectors =
      linear(pooled, parameters_.at("text_projection.weight"), {}, precision).to(at::kFloat);
  return vectors / vectors.norm(2, -1, true).clamp_min(1e-6);
}

/// 1 where two items mean the same: one concept, or the same words.
at::Tensor same_meaning(const std::vector<const Pair*>& pairs,
                        const std::vector<std::string>& texts, bool with_self) {
  const auto n = static_cast<int64_t>(pairs.size());
  const at::Tensor same = at::zeros({n, n}, at::kFloat);
  auto cells = same.accessor<float, 2>();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const auto a = static_cast<size_t>(i);
      const auto b = static_cast<size_t>(j);
      const bool is_one_label = !pairs[a]->label.empty() && pairs[a]->label == pairs[b]->label;
      const bool is_same = i == j ? with_self : is_one_label || texts[a] == texts[b];
      cells[i][j] = is_same ? 1.0F : 0.0F;
    }
  }
  return same;
}

at::Tensor ContrastiveTask::loss(const std::vector<const Pair*>& pairs, Random& random) const {
  std::vector<std::string> texts;
  for (const Pair* pair : pairs) {
    const bool use_label =
        !pair->label.empty() && random.uniform() < recipe_.contrastive.label_text_ratio;
    texts.push_back(use_label ? pair->label : pair->text);
  }
  const at::Tensor pictures = augment(pictures_of(pairs), recipe_.augment, random);
  const at::Tensor image = image_vectors(pictures);
  const at::Tensor text = text_vectors(texts);
  const at::Tensor scale =
      parameters_.at("logit_scale").exp().clamp_max(recipe_.contrastive.max_logit_scale);
  const at::Tensor positives = same_meaning(pairs, texts, true).to(image.device());
  const at::Tensor logits = at::matmul(image, text.t()) * scale;
  at::Tensor total =
      (multi_positive_loss(logits, positives) + multi_positive_loss(logits.t(), positives)) *
      (0.5 * recipe_.contrastive.text_weight);
  if (recipe_.contrastive.image_image_weight > 0.0) {
    const at::Tensor others = same_meaning(pairs, texts, false).to(image.device());
    const at::Tensor self = at::eye(image.size(0), image.options());
    // The temperature of the picture-picture term stays at 0.1: learnt, it would follow the texts'.
    const at::Tensor alike = at::matmul(image, image.t()) * 10.0 - self * 1e4;
    total = total + multi_positive_loss(alike, others) * recipe_.contrastive.image_image_weight;
  }
  return total;
}

BatchReport ContrastiveTask::accumulate(Cursor& cursor, double scale) {
  const auto pairs = sampler_->batch(cursor.position, recipe_.train.batch_size);
  Random random(recipe_.train.seed + 2, static_cast<uint64_t>(cursor.position));
  const at::Tensor value = loss(pairs, random);
  (value * scale).backward();
  ++cursor.position;
  const auto count = static_cast<int64_t>(pairs.size());
  return {value.item<double>(), 0, count, count};
}

double ContrastiveTask::naming_accuracy(const std::vector<Pair>& pairs,
                                        const std::vector<std::string>& names,
                                        const at::Tensor& name_vectors) const {
  int64_t right = 0;
  int64_t count = 0;
  const auto stride =
      std::max<size_t>(1, pairs.size() / static_cast<size_t>(recipe_.train.validation_samples));
  std::vector<const Pair*> batch;
  const auto score = [&] {
    const at::Tensor scores = at::matmul(image_vectors(pictures_of(batch)), name_vectors.t());
    const at::Tensor best = scores.argmax(1).to(at::kCPU);
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto name = static_cast<size_t>(best[static_cast<int64_t>(i)].item<int64_t>());
      right += names[name] == batch[i]->label ? 1 : 0;
      ++count;
    }
    batch.clear();
  };
  for (size_t i = 0; i < pairs.size(); i += stride) {
    if (pairs[i].label.empty()) continue;
    batch.push_back(&pairs[i]);
    if (static_cast<int64_t>(batch.size()) == kValidationBatch) score();
  }
  if (!batch.empty()) score();
  return count == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(count);
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
  for (size_t i = 0; i < names.size(); i += kValidationBatch) {
    const size_t end = std::min(names.size(), i + kValidationBatch);
    blocks.push_back(text_vectors({names.begin() + static_cast<std::ptrdiff_t>(i),
                                   names.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  const at::Tensor vectors = at::cat(blocks);
  for (size_t i = 0; i < validation_.size(); ++i) {
    figures[recipe_.validation[i].name + "/top1"] =
        naming_accuracy(validation_[i].pairs, names, vectors);
  }
  return figures;
}

}  // namespace

std::unique_ptr<Task> make_contrastive_task(const Recipe& recipe, const LogSink& log) {
  return std::make_unique<ContrastiveTask>(recipe, log);
}

}  // namespace vila::train
