// SPDX-License-Identifier: Apache-2.0
// One definition, two implementations: what the trainer computes, the reference and the engine do
// too.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "kernels/select.h"
#include "model/vila.h"
#include "spec/parameters.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"
#include "train/checkpoint_io.h"
#include "train/collate.h"
#include "train/optimizer.h"
#include "train/parameter_set.h"
#include "train/torch_compat.h"
#include "train/torch_decoder.h"
#include "train/torch_vila.h"
#include "train/torch_vision.h"

namespace vila::train {
namespace {

namespace fs = std::filesystem;

fs::path reference_folder() {
  return fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference/vila-7b-tiny";
}

double largest(const at::Tensor& tensor) {
  return tensor.abs().max().item<double>();
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return largest(a.detach() - b);
}

/// A checkpoint as parameters to train, and its config.
struct Loaded {
  spec::VilaConfig config;
  ParameterSet parameters;
};

Loaded load(const fs::path& folder) {
  const formats::Checkpoint checkpoint = formats::open_checkpoint(folder);
  const spec::VilaConfig config = spec::read_config(folder, checkpoint.vision_folder);
  ParameterSet parameters(spec::parameters(config), 1, "cpu");
  for (const auto part : {spec::Part::vision_tower, spec::Part::mm_projector, spec::Part::llm}) {
    parameters.load(checkpoint, part);
  }
  return {config, parameters};
}

/// The reference's recorded step: its collated batch packed as it packs.
class ReferenceStep {
 public:
  explicit ReferenceStep(const fs::path& folder)
      : golden_(formats::read_safetensors(folder / "training/training.safetensors")),
        model_(load(folder / "checkpoint")) {
    model_.parameters.freeze(
        [](const spec::Parameter& row) { return row.part == spec::Part::vision_tower; });
    read_samples();
    // Longest first; the first fills a row alone, the others share the second.
    std::ranges::stable_sort(order_, std::greater{}, [&](size_t i) { return samples_[i].rows(); });
    std::vector<EncodedSample> second;
    for (size_t i = 1; i < order_.size(); ++i)
      second.push_back(samples_[order_[i]]);
    batch = pack(std::span(&samples_[order_[0]], 1));
    append(batch, pack(second, Border::next_label));
  }

  at::Tensor golden(const std::string& name) const { return to_torch(golden_.tensors.at(name)); }

  at::Tensor features() const {
    at::NoGradGuard no_grad;
    const at::Tensor rows =
        vision_features(model_.parameters, model_.config, golden("batch.images"), Precision::f32);
    std::vector<at::Tensor> used;
    for (const size_t sample : order_) {
      for (int64_t i = 0; i < pictures(sample); ++i)
        used.push_back(rows[first_picture_[sample] + i]);
    }
    return at::cat(used);
  }

  const formats::SafetensorsFile& file() const { return golden_; }

  Loaded& model() { return model_; }

  PackedBatch batch;

 private:
  int64_t pictures(size_t sample) const {
    return static_cast<int64_t>(samples_[sample].images.size());
  }

  void read_samples() {
    const Tensor ids = golden_.tensors.at("batch.input_ids");
    const Tensor labels = golden_.tensors.at("batch.labels");
    const Tensor mask = golden_.tensors.at("batch.attention_mask");
    EncodeOptions options;
    options.tokens_per_image = model_.config.tokens_per_image();
    int64_t picture = 0;
    for (int64_t row = 0; row < ids.dim(0); ++row) {
      spec::LabelledIds labelled;
      for (int64_t i = row * ids.dim(1); i < (row + 1) * ids.dim(1); ++i) {
        if (mask.data<int32_t>()[i] == 0) continue;
        labelled.ids.push_back(ids.data<int32_t>()[i]);
        labelled.labels.push_back(labels.data<int32_t>()[i]);
      }
      const auto images = std::ranges::count(labelled.ids, spec::kImageToken);
      first_picture_.push_back(picture);
      picture += images;
      order_.push_back(samples_.size());
      samples_.push_back(encode_ids(
          labelled, std::vector<data::ImageSource>(static_cast<size_t>(images)), options));
    }
  }

  formats::SafetensorsFile golden_;
  Loaded model_;
  std::vector<EncodedSample> samples_;
  std::vector<int64_t> first_picture_;
  std::vector<size_t> order_;
};

class TrainingStep : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(reference_folder())) GTEST_SKIP() << "no conformance files beside the checkout";
  }
};

TEST_F(TrainingStep, PacksLabelsAndPositionsAsTheReference) {
  const ReferenceStep step(reference_folder());
  const Tensor labels = step.file().tensors.at("packed.labels");
  const Tensor positions = step.file().tensors.at("packed.position_ids");
  const int64_t width = labels.dim(1);
  const int64_t first_row = step.batch.starts[1];

  ASSERT_EQ(first_row, width);
  for (int64_t i = 0; i < step.batch.rows(); ++i) {
    const bool is_last = i + 1 == first_row || i + 1 == step.batch.rows();
    EXPECT_EQ(step.batch.positions[static_cast<size_t>(i)], positions.data<int32_t>()[i]) << i;
    if (is_last) continue;
    EXPECT_EQ(step.batch.targets[static_cast<size_t>(i)], labels.data<int32_t>()[i + 1]) << i;
  }
}

TEST_F(TrainingStep, EmbedsTheBatchAsTheReference) {
  ReferenceStep step(reference_folder());
  const Loaded& model = step.model();
  const at::Tensor embedded =
      embed_batch(model.parameters, model.config, step.batch, step.features(), Precision::f32);
  const at::Tensor expected =
      step.golden("packed.inputs_embeds").flatten(0, 1).narrow(0, 0, step.batch.rows());
  EXPECT_LE(difference(embedded, expected), 3e-5 * largest(expected));
}

TEST_F(TrainingStep, LossGradientsAndUpdatedParametersAreTheReferences) {
  ReferenceStep step(reference_folder());
  ParameterSet& parameters = step.model().parameters;
  OptimizerRecipe recipe;
  recipe.lr = 1e-3;
  recipe.beta2 = 0.999;
  recipe.weight_decay = 0.1;
  Optimizer optimizer(parameters, recipe);

  const at::Tensor loss =
      vila_loss(parameters, step.model().config, step.batch, step.features(), Precision::f32);
  loss.backward();

  EXPECT_NEAR(loss.item<double>(), 11.811263, 1e-5);
  std::map<std::string, at::Tensor> clipped;
  for (int64_t i = 0; i < parameters.size(); ++i) {
    if (parameters.is_frozen(i)) continue;
    const std::string& name = parameters.row(i).name;
    const at::Tensor grad = parameters.tensor(i).grad().clone();
    clipped[name] = grad / 6.277047;
    if (!step.file().tensors.contains("grad." + name)) continue;
    const at::Tensor expected = step.golden("grad." + name);
    EXPECT_LE(difference(grad, expected), 3e-5 * largest(expected)) << name;
  }

  EXPECT_NEAR(optimizer.step(1.0, 1.0), 6.277047, 6e-4);
  int compared = 0;
  for (const auto& [name, grad] : clipped) {
    if (!step.file().tensors.contains("after." + name)) continue;
    const at::Tensor wrong = (parameters.at(name).detach() - step.golden("after." + name)).abs();
    EXPECT_LE(largest(wrong * (grad.abs() > 1e-4)), 1e-6) << name;
    EXPECT_LE(largest(wrong), 2e-3) << name;
    ++compared;
  }
  EXPECT_GT(compared, 10);
}

/// The same random VILA in the trainer and, through a saved checkpoint, in the engine.
class TrainerAndEngine : public ::testing::Test {
 protected:
  TrainerAndEngine() : model_(prepare()) {}

  Loaded prepare() {
    test::write_tiny_checkpoint(folder_.path() / "random", {.config = test::tiny_config()});
    Loaded loaded = load(folder_.path() / "random");
    save_checkpoint(folder_.path() / "saved", loaded.config, loaded.parameters,
                    {folder_.path() / "random", false});
    return loaded;
  }

  at::Tensor pixels() const {
    const int64_t side = model_.config.vision->image_size;
    return at::sin(at::arange(2 * 3 * side * side, at::kFloat)).view({2, 3, side, side});
  }

  at::Tensor trainer_logits(const std::vector<text::TokenId>& ids) const {
    at::NoGradGuard no_grad;
    EncodeOptions options;
    options.tokens_per_image = model_.config.tokens_per_image();
    const spec::LabelledIds labelled{ids, ids};
    const EncodedSample sample = encode_ids(labelled, std::vector<data::ImageSource>(2), options);
    const at::Tensor features =
        vision_features(model_.parameters, model_.config, pixels(), Precision::f32).flatten(0, 1);
    const at::Tensor hidden = vila_forward(model_.parameters, model_.config,
                                           pack(std::span(&sample, 1)), features, Precision::f32);
    return at::matmul(hidden, output_weight(model_.parameters).t());
  }

  at::Tensor engine_logits(const model::Vila& vila, const std::vector<text::TokenId>& ids) const {
    Arena arena;
    ThreadPool pool(2);
    ops::Context context{arena, pool, kernels::best_kernels(), {}};
    const Tensor images = vila.encode_images(context, from_torch(pixels()));
    const int64_t rows = model_.config.tokens_per_image();
    const Shape one{rows, model_.config.llm.hidden_size};
    const std::vector<Tensor> pictures = {images.rows(0, 1).reshape(one),
                                          images.rows(1, 2).reshape(one)};
    const spec::Splice layout = spec::splice(ids, 2, rows, 0);
    model::KvCache cache(model_.config.llm, layout.length);
    const std::vector<model::SequenceStep> steps = {{&cache, layout.length}};
    return to_torch(vila.decode(context, vila.embed(context, ids, layout, pictures), steps, true));
  }

  test::TemporaryFolder folder_;
  Loaded model_;
};

TEST_F(TrainerAndEngine, LogitsAgreeAndGreedyAnswersAreTheSame) {
  const model::Vila vila = model::Vila::load(folder_.path() / "saved");
  std::vector<text::TokenId> ids = {1, 17, spec::kImageToken, 40, 41, spec::kImageToken, 200, 33};
  for (int step = 0; step < 12; ++step) {
    const at::Tensor ours = trainer_logits(ids);
    const at::Tensor theirs = engine_logits(vila, ids);
    ASSERT_LE(difference(ours, theirs), 1e-4 * largest(ours)) << "step " << step;
    const auto next = ours[-1].argmax().item<int64_t>();
    ASSERT_EQ(next, theirs[-1].argmax().item<int64_t>()) << "step " << step;
    ids.push_back(static_cast<text::TokenId>(next));
  }
}

TEST_F(TrainerAndEngine, SavedTensorsComeBackUnchanged) {
  const Loaded again = load(folder_.path() / "saved");
  for (int64_t i = 0; i < model_.parameters.size(); ++i) {
    EXPECT_TRUE(at::equal(model_.parameters.tensor(i), again.parameters.tensor(i)))
        << model_.parameters.row(i).name;
  }
}

}  // namespace
}  // namespace vila::train
