// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "data/dataset.h"
#include "train/augment.h"
#include "train/checkpoint_io.h"
#include "train/contrast_model.h"
#include "train/pair_sampler.h"
#include "train/pictures.h"
#include "train/row_cache.h"
#include "train/task.h"
#include "train/torch_compat.h"

namespace vila::train {
namespace {

constexpr int64_t kValidationBatch = 256;

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
  ContrastiveTask(const Recipe& recipe, const LogSink& log) : recipe_(recipe) {
    auto training = open_sources(recipe.data);
    validation_ = open_sources(recipe.validation);
    images_ = std::make_unique<ImageCache>(recipe.cache, image_sources(training, validation_),
                                           recipe.model.image_processor, log);
    sampler_ = std::make_unique<PairSampler>(
        std::move(training), recipe.contrastive.drawings_per_label, recipe.train.seed);
    model_ = std::make_unique<ContrastModel>(recipe, sampler_->labels(), layers_at(0));
    layers_ = layers_at(0);
  }

  ParameterSet& parameters() override { return model_->parameters(); }

  double batches_per_epoch() override {
    return static_cast<double>(sampler_->epoch_pairs()) /
           static_cast<double>(recipe_.train.batch_size);
  }

  BatchReport accumulate(Cursor& cursor, double scale) override;
  std::map<std::string, double> validate() override;

  void save(const std::filesystem::path& folder) const override {
    save_tower(folder, recipe_.model, model_->parameters(), recipe_.store_bf16);
  }

 private:
  int64_t layers_at(int64_t batch);
  at::Tensor pictures_of(const std::vector<const Pair*>& pairs) const;
  at::Tensor loss(const std::vector<const Pair*>& pairs, int64_t layers, Random& random) const;
  std::vector<double> naming_accuracy(const std::vector<Pair>& pairs,
                                      const std::vector<std::string>& names,
                                      const at::Tensor& name_vectors) const;

  Recipe recipe_;
  std::vector<PairSampler::Source> validation_;
  std::unique_ptr<ImageCache> images_;
  std::unique_ptr<PairSampler> sampler_;
  std::unique_ptr<ContrastModel> model_;
  int64_t layers_ = 0;  // of the last batch
};

/// How many of the tower's layers are in use at batch number `batch`.
int64_t ContrastiveTask::layers_at(int64_t batch) {
  const LoopRecipe& loop = recipe_.train;
  const double all = loop.steps > 0 ? static_cast<double>(loop.steps * loop.gradient_accumulation)
                                    : loop.epochs * batches_per_epoch();
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
  const at::Tensor pictures = augment(pictures_of(pairs), *recipe_.augment, random);
  const at::Tensor text = model_->text_vectors(texts);
  const at::Tensor scale = model_->scale();
  const at::Tensor positives = same_meaning(pairs, texts).to(text.device());
  const at::Tensor own = positives.narrow(1, 0, n);
  const at::Tensor others = own * (1.0 - at::eye(n, own.options()));
  at::Tensor total = at::zeros({}, text.options());
  for (const auto& [name, image] : model_->image_vectors(pictures, layers)) {
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
  const auto stride =
      std::max<size_t>(1, pairs.size() / static_cast<size_t>(recipe_.train.validation_samples));
  std::vector<const Pair*> batch;
  const auto score = [&] {
    const Views views = model_->image_vectors(pictures_of(batch), layers_);
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
    blocks.push_back(model_->text_vectors(texts));
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
