// SPDX-License-Identifier: Apache-2.0
#include "model/vision_int8.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "formats/checkpoint.h"
#include "model/vila.h"
#include "spec/parameters.h"
#include "support/machine.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"
#include "tensor/compare.h"

namespace vila::model {
namespace {

Tensor vector_of(const std::vector<float>& values) {
  const Tensor tensor = Tensor::empty(DType::f32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.data<float>());
  return tensor;
}

Tensor random_pixels(int64_t pictures, int64_t side, uint64_t seed) {
  Random random(seed);
  Tensor pixels = Tensor::empty(DType::f32, {pictures, 3, side, side});
  for (float& value : pixels.values<float>())
    value = static_cast<float>(random.normal());
  return pixels;
}

/// A tiny checkpoint whose weights can be bound several times.
class TinyModel {
 public:
  explicit TinyModel(const spec::VilaConfig& config) : config_(config) {
    test::write_tiny_checkpoint(folder_.path(), {.config = config});
  }

  Weights weights(ThreadPool& pool) const {
    return Weights::bind(formats::open_checkpoint(folder_.path()), config_, pool);
  }

  Vila load(ThreadPool& pool, VisionWeights vision) const {
    return Vila::load(formats::open_checkpoint(folder_.path()), pool, vision);
  }

  const spec::VilaConfig& config() const { return config_; }

 private:
  test::TemporaryFolder folder_;
  spec::VilaConfig config_;
};

TEST(SmoothingScales, FollowTheEquation) {
  const Tensor first = Tensor::empty(DType::f32, {2, 3});
  const Tensor second = Tensor::empty(DType::f32, {1, 3});
  const std::vector<float> values = {1, -4, 0, -2, 3, 0};
  std::copy(values.begin(), values.end(), first.data<float>());
  std::fill_n(second.data<float>(), 3, 0.0F);
  second.data<float>()[0] = -8;
  const std::vector<Tensor> weights = {first, second};
  const Tensor scales = smoothing_scales(vector_of({16, 0, 5}), weights);
  EXPECT_NEAR(scales.data<float>()[0], std::pow(16.0, 0.3) / std::pow(8.0, 0.7), 1e-5);
  EXPECT_EQ(scales.data<float>()[1], 1e-5F);  // nothing ever came through this channel
  EXPECT_NEAR(scales.data<float>()[2] / (std::pow(5.0, 0.3) / std::pow(1e-5, 0.7)), 1, 1e-5);
}

TEST(RecordMaximum, KeepsTheLargestOfEachChannelOfNormsAlone) {
  ActivationMaxima maxima;
  const Tensor first = vector_of({1, -4, 0, 2, 3, -1}).reshape({2, 3});
  record_maximum("vision.layer.0.norm1", first, maxima);
  record_maximum("vision.layer.0.norm1", vector_of({-9, 0, 0}).reshape({1, 3}), maxima);
  record_maximum("vision.layer.0", first, maxima);
  record_maximum("layer.0.norm1", first, maxima);
  ASSERT_EQ(maxima.size(), 1U);
  const std::span<const float> most = maxima.at("vision.layer.0.norm1").values<float>();
  EXPECT_EQ(std::vector<float>(most.begin(), most.end()), (std::vector<float>{9, 4, 1}));
}

TEST(ExpectedMaxima, AreFourDeviationsFromTheBias) {
  const Tensor maxima = expected_maxima(vector_of({1, -2, 0}), vector_of({0.5F, 1, -3}));
  EXPECT_EQ(maxima.data<float>()[0], 4.5F);
  EXPECT_EQ(maxima.data<float>()[1], 9.0F);
  EXPECT_EQ(maxima.data<float>()[2], 3.0F);
  EXPECT_EQ(expected_maxima(vector_of({1}), Tensor()).data<float>()[0], 4.0F);
}

TEST(Int8Vision, TakesRecordedMaximaWhereThereAreSome) {
  test::Machine machine;
  const TinyModel tiny(test::tiny_config());
  const Weights weights = tiny.weights(machine.pool);
  const int64_t width = tiny.config().vision->hidden_size;
  const Tensor recorded = Tensor::empty(DType::f32, {width});
  std::fill_n(recorded.data<float>(), width, 50.0F);
  const auto with =
      int8_vision(weights, tiny.config(), {{"vision.layer.1.norm2", recorded}}, machine.pool);
  const auto without = int8_vision(weights, tiny.config(), {}, machine.pool);
  const std::string layers = std::string(spec::kVisionPrefix) + "encoder.layers.";
  const auto gain = [](const auto& changes, const std::string& name) {
    return std::get<Tensor>(changes.at(name + ".weight"));
  };
  EXPECT_GT(compare(gain(with, layers + "1.layer_norm2"), gain(without, layers + "1.layer_norm2"))
                .max_abs,
            0);
  EXPECT_EQ(compare(gain(with, layers + "0.layer_norm2"), gain(without, layers + "0.layer_norm2"))
                .max_abs,
            0);
}

/// Smoothing alone must not change what the layer computes: s cancels out.
TEST(Int8Vision, DividesNormsByWhatItMultipliesTheWeightsWith) {
  test::Machine machine;
  const TinyModel tiny(test::tiny_config());
  const Weights weights = tiny.weights(machine.pool);
  const auto changes = int8_vision(weights, tiny.config(), {}, machine.pool);
  const std::string layer = std::string(spec::kVisionPrefix) + "encoder.layers.1.";
  const Weights root = weights / layer.substr(0, layer.size() - 1);
  const auto check = [&](const std::string& norm, const std::string& linear) {
    const Tensor gain = (root / norm).vector("weight");
    const Tensor smooth_gain = std::get<Tensor>(changes.at(layer + norm + ".weight"));
    const Tensor weight = (root / linear).vector("weight");
    const auto& packed = std::get<PackedMatrix>(changes.at(layer + linear + ".weight"));
    EXPECT_EQ(packed.bits, 8);
    EXPECT_EQ(packed.group, int8_vision_group(packed.in));
    EXPECT_TRUE(packed.is_narrow);
    const Tensor codes = dequantise(packed);
    for (int64_t n = 0; n < weight.dim(0); ++n) {
      double row_most = 0;
      for (int64_t k = 0; k < weight.dim(1); ++k)
        row_most = std::max(
            row_most, std::abs(static_cast<double>(codes.data<float>()[n * weight.dim(1) + k])));
      for (int64_t k = 0; k < weight.dim(1); ++k) {
        const int64_t i = n * weight.dim(1) + k;
        const double smoothing = static_cast<double>(gain.data<float>()[k]) /
                                 static_cast<double>(smooth_gain.data<float>()[k]);
        EXPECT_NEAR(static_cast<double>(codes.data<float>()[i]),
                    static_cast<double>(weight.data<float>()[i]) * smoothing,
                    row_most / 64 * 0.502);
      }
    }
  };
  for (const char* linear : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"})
    check("layer_norm1", linear);
  check("layer_norm2", "mlp.fc1");
}

TEST(Int8Vision, CutsRowsIntoTheLargestPartsThatFit) {
  EXPECT_EQ(int8_vision_group(256), 256);
  EXPECT_EQ(int8_vision_group(1024), 1024);  // CLIP-L
  EXPECT_EQ(int8_vision_group(4096), 1024);
  EXPECT_EQ(int8_vision_group(1152), 1152);  // SigLIP so400m
  EXPECT_EQ(int8_vision_group(4304), 1076);
  EXPECT_EQ(int8_vision_group(3200), 800);    // InternViT-6B
  EXPECT_EQ(int8_vision_group(4 * 1153), 4);  // 1153 is a prime
  EXPECT_EQ(int8_vision_group(1301), 1301);   // nothing fits: left as it is
}

double cosine(const Tensor& a, const Tensor& b) {
  double product = 0, squares_a = 0, squares_b = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const auto x = static_cast<double>(a.data<float>()[i]);
    const auto y = static_cast<double>(b.data<float>()[i]);
    product += x * y;
    squares_a += x * x;
    squares_b += y * y;
  }
  return product / std::sqrt(squares_a * squares_b);
}

TEST(Int8Vision, StaysNearTheFloatTower) {
  test::Machine machine;
  const TinyModel tiny(test::tiny_config());
  const Vila truth = tiny.load(machine.pool, VisionWeights::as_stored);
  const Vila int8 = tiny.load(machine.pool, VisionWeights::int8);
  EXPECT_TRUE(int8.is_tower_packed());
  EXPECT_FALSE(truth.is_tower_packed());
  EXPECT_LT(int8.weight_bytes(), truth.weight_bytes());
  const Tensor pixels = random_pixels(2, 28, 3);
  const Tensor expected = truth.encode_images(machine.ctx, pixels);
  const Tensor actual = int8.encode_images(machine.ctx, pixels);
  EXPECT_GT(cosine(actual, expected), 0.999);
  EXPECT_GT(compare(actual, expected).max_abs, 0);
}

TEST(Int8Vision, ChangesNothingOfALanguageModel) {
  test::Machine machine;
  const TinyModel tiny(test::tiny_language_config());
  const Vila vila = tiny.load(machine.pool, VisionWeights::int8);
  EXPECT_EQ(vila.weight_bytes(), tiny.load(machine.pool, VisionWeights::as_stored).weight_bytes());
}

TEST(Int8Vision, NamesOnlyWhatIsInTheTable) {
  test::Machine machine;
  const TinyModel tiny(test::tiny_config());
  const Weights weights = tiny.weights(machine.pool);
  EXPECT_THROW(weights.with({{"nonsense", Tensor()}}), Bug);
}

}  // namespace
}  // namespace vila::model
