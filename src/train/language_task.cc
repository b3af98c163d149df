// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "data/dataset.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/augment.h"
#include "train/batch_stream.h"
#include "train/checkpoint_io.h"
#include "train/collate.h"
#include "train/feature_cache.h"
#include "train/pictures.h"
#include "train/row_cache.h"
#include "train/task.h"
#include "train/torch_compat.h"
#include "train/torch_vila.h"
#include "train/torch_vision.h"

namespace vila::train {
namespace {

std::string part_name(spec::Part part) {
  switch (part) {
    case spec::Part::llm:
      return "llm";
    case spec::Part::mm_projector:
      return "mm_projector";
    case spec::Part::vision_tower:
      break;
  }
  return "vision_tower";
}

std::vector<std::shared_ptr<const data::Dataset>> open_all(const std::vector<DataSource>& sources) {
  std::vector<std::shared_ptr<const data::Dataset>> opened;
  for (const DataSource& source : sources) {
    opened.push_back(data::open_dataset(source.path, source.kind, source.image_root));
  }
  return opened;
}

std::unique_ptr<const data::Mixture> mix(
    const std::vector<std::shared_ptr<const data::Dataset>>& sets, const Recipe& recipe) {
  std::vector<data::MixturePart> parts;
  for (size_t i = 0; i < sets.size(); ++i)
    parts.push_back({sets[i], recipe.data[i].repeat});
  return std::make_unique<const data::Mixture>(std::move(parts), recipe.train.seed);
}

/// The four stages that train on next tokens: text, align, pretrain, sft.
class LanguageTask : public Task {
 public:
  LanguageTask(const Recipe& recipe, const LogSink& log)
      : recipe_(recipe),
        tokenizer_(text::load_tokenizer(recipe.tokenizer)),
        config_(stage_config(recipe, tokenizer_->vocab_size())),
        parameters_(spec::parameters(config_), recipe.train.seed, recipe.train.device),
        datasets_(open_all(recipe.data)),
        validation_(open_all(recipe.validation)),
        stream_(mix(datasets_, recipe), encode_options(), recipe.train.tokens_per_batch) {
    load_parts(recipe.init, parameters_);
    parameters_.freeze([&](const spec::Parameter& row) { return is_frozen(row); });
    if (config_.has_vision()) prepare_pictures(log);
  }

  ParameterSet& parameters() override { return parameters_; }

  double batches_per_epoch() override { return stream_.batches_per_epoch(); }

  BatchReport accumulate(Cursor& cursor, double scale) override;
  std::map<std::string, double> validate() override;

  void save(const std::filesystem::path& folder) const override {
    save_checkpoint(folder, config_, parameters_, {recipe_.tokenizer, recipe_.store_bf16});
  }

 private:
  EncodeOptions encode_options() const {
    return {tokenizer_.get(), &text::find_chat_template(recipe_.chat_template),
            config_.tokens_per_image(), recipe_.train.max_length, recipe_.stage == Stage::align};
  }

  bool is_frozen(const spec::Parameter& row) const {
    // What lies behind the selected layer of the tower never gets a gradient.
    return recipe_.freezes(part_name(row.part)) ||
           (row.part == spec::Part::vision_tower && row.is_optional);
  }

  void prepare_pictures(const LogSink& log);
  at::Tensor features(const PackedBatch& batch, Random* random) const;
  at::Tensor loss(const PackedBatch& batch, Random* random) const;
  double mean_loss(const data::Dataset& dataset) const;

  Recipe recipe_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  spec::VilaConfig config_;
  ParameterSet parameters_;
  std::vector<std::shared_ptr<const data::Dataset>> datasets_;
  std::vector<std::shared_ptr<const data::Dataset>> validation_;
  BatchStream stream_;
  std::unique_ptr<ImageCache> images_;
  std::unique_ptr<FeatureCache> features_;  // where the tower is frozen
};

void LanguageTask::prepare_pictures(const LogSink& log) {
  std::vector<data::ImageSource> all;
  for (const auto* sets : {&datasets_, &validation_}) {
    for (const auto& dataset : *sets) {
      const auto images = all_images(*dataset);
      all.insert(all.end(), images.begin(), images.end());
    }
  }
  images_ =
      std::make_unique<ImageCache>(recipe_.cache, std::move(all), config_.image_processor, log);
  if (!recipe_.freezes("vision_tower")) return;
  features_ = std::make_unique<FeatureCache>(recipe_.cache, *images_, config_, parameters_,
                                             recipe_.train, log);
}

/// @param random  changes the pictures where the recipe says so; null (validation): as they are.
at::Tensor LanguageTask::features(const PackedBatch& batch, Random* random) const {
  if (batch.images.empty()) return {};
  std::vector<int64_t> rows;
  for (const auto& image : batch.images)
    rows.push_back(images_->index(image));
  if (features_) return features_->features(rows, recipe_.train.device);
  at::Tensor pictures = load_pictures(*images_, rows, recipe_.train.device);
  if (random != nullptr && recipe_.augment) pictures = augment(pictures, *recipe_.augment, *random);
  const at::Tensor pixels = normalise_pictures(pictures, config_.image_processor);
  return vision_features(parameters_, config_, pixels, recipe_.train.precision).flatten(0, 1);
}

at::Tensor LanguageTask::loss(const PackedBatch& batch, Random* random) const {
  return vila_loss(parameters_, config_, batch, features(batch, random), recipe_.train.precision);
}

BatchReport LanguageTask::accumulate(Cursor& cursor, double scale) {
  Random random(recipe_.train.seed + 2, static_cast<uint64_t>(cursor.position));
  const PackedBatch batch = stream_.next(cursor);
  const at::Tensor value = loss(batch, &random);
  if (value.requires_grad()) (value * scale).backward();
  const auto targets = std::ranges::count_if(
      batch.targets, [](int64_t target) { return target != spec::kIgnoreLabel; });
  return {value.item<double>(), batch.rows(), static_cast<int64_t>(batch.images.size()), targets};
}

double LanguageTask::mean_loss(const data::Dataset& dataset) const {
  const int64_t samples = std::min(recipe_.train.validation_samples, dataset.size());
  double sum = 0.0;
  int64_t targets = 0;
  std::vector<EncodedSample> waiting;
  int64_t rows = 0;
  const auto score = [&] {
    const PackedBatch batch = pack(waiting);
    const auto count = std::ranges::count_if(
        batch.targets, [](int64_t target) { return target != spec::kIgnoreLabel; });
    sum += loss(batch, nullptr).item<double>() * static_cast<double>(count);
    targets += count;
    waiting.clear();
    rows = 0;
  };
  for (int64_t i = 0; i < samples; ++i) {
    for (auto& piece : encode_sample(dataset.at(i * dataset.size() / samples), encode_options())) {
      rows += piece.rows();
      waiting.push_back(std::move(piece));
      if (rows >= recipe_.train.tokens_per_batch) score();
    }
  }
  if (rows > 0) score();
  return targets == 0 ? 0.0 : sum / static_cast<double>(targets);
}

std::map<std::string, double> LanguageTask::validate() {
  at::NoGradGuard no_grad;
  std::map<std::string, double> figures;
  for (size_t i = 0; i < validation_.size(); ++i) {
    figures[recipe_.validation[i].name + "/loss"] = mean_loss(*validation_[i]);
  }
  return figures;
}

}  // namespace

std::unique_ptr<Task> make_language_task(const Recipe& recipe, const LogSink& log) {
  return std::make_unique<LanguageTask>(recipe, log);
}

}  // namespace vila::train
