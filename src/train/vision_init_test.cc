// SPDX-License-Identifier: Apache-2.0
#include "train/vision_init.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "spec/parameters.h"
#include "train/torch_compat.h"
#include "train/torch_vision.h"

namespace vila::train {
namespace {

constexpr int64_t kActive = 2;

/// A tower of 4 layers and 4 heads on 4 x 4 patches.
spec::VilaConfig small_tower() {
  spec::VilaConfig config;
  config.vision.emplace();
  config.vision->image_size = 32;
  config.vision->patch_size = 8;
  config.vision->hidden_size = 128;
  config.vision->intermediate_size = 64;
  config.vision->num_hidden_layers = 4;
  config.vision->num_attention_heads = 4;
  return config;
}

ParameterSet tower_parameters(const spec::VilaConfig& config) {
  std::vector<spec::Parameter> rows;
  for (const spec::Parameter& row : spec::parameters(config)) {
    if (row.part == spec::Part::vision_tower) rows.push_back(row);
  }
  return ParameterSet(rows, 1, "cpu");
}

at::Tensor some_pictures() {
  at::Tensor pixels = at::zeros({2, 3, 32, 32}, at::kFloat);
  Random random(5);
  float* data = pixels.data_ptr<float>();
  for (int64_t i = 0; i < pixels.numel(); ++i)
    data[i] = static_cast<float>(random.normal());
  return pixels;
}

TEST(VisionInit, LayersThatAreNotYetActiveChangeNothing) {
  const spec::VilaConfig config = small_tower();
  const ParameterSet parameters = tower_parameters(config);
  structured_init(parameters, *config.vision, kActive, 3);
  at::NoGradGuard no_grad;

  const at::Tensor rows = vision_embed(parameters, *config.vision, some_pictures(), Precision::f32);
  const at::Tensor some =
      vision_encode(parameters, *config.vision, rows, 0, kActive, Precision::f32);
  const at::Tensor all = vision_encode(parameters, *config.vision, rows, 0, 4, Precision::f32);

  EXPECT_FALSE(at::allclose(rows, some));
  EXPECT_TRUE(at::equal(some, all));
}

/// The patch that head `head` of layer `layer` looks at most from patch (1, 1) of the grid.
int64_t most_seen(const ParameterSet& parameters, int64_t layer, int64_t head) {
  const spec::VilaConfig config = small_tower();
  const std::string name =
      std::string(spec::kVisionPrefix) + "encoder.layers." + std::to_string(layer) + ".self_attn.";
  const at::Tensor rows =
      vision_embed(parameters, *config.vision, some_pictures(), Precision::f32)[0];
  const int64_t width = 128 / 4;
  const auto of_head = [&](const std::string& which) {
    const at::Tensor weight = parameters.at(name + which + "_proj.weight");
    return at::matmul(rows, weight.t()).narrow(1, head * width, width);
  };
  const int64_t from = 1 + 4 * 1 + 1;
  return at::matmul(of_head("k"), of_head("q")[from]).argmax().item<int64_t>() - 1;
}

TEST(VisionInit, EachHeadLooksAtItsNeighbourWhateverThePictureShows) {
  const ParameterSet parameters = tower_parameters(small_tower());
  structured_init(parameters, *small_tower().vision, kActive, 3);
  at::NoGradGuard no_grad;

  const auto patch = [](int64_t row, int64_t column) { return row * 4 + column; };

  EXPECT_EQ(most_seen(parameters, 0, 0), patch(1, 2));
  EXPECT_EQ(most_seen(parameters, 0, 1), patch(1, 0));
  EXPECT_EQ(most_seen(parameters, 0, 2), patch(2, 1));
  EXPECT_EQ(most_seen(parameters, 0, 3), patch(0, 1));
  EXPECT_EQ(most_seen(parameters, 1, 0), patch(2, 2));
  EXPECT_EQ(most_seen(parameters, 2, 0), patch(1, 3));
}

TEST(VisionInit, ATowerWithoutRoomForPositionCodesKeepsItsStart) {
  spec::VilaConfig config = small_tower();
  config.vision->num_attention_heads = 1;
  const ParameterSet parameters = tower_parameters(config);
  const std::string name =
      std::string(spec::kVisionPrefix) + "embeddings.position_embedding.weight";
  const at::Tensor before = parameters.at(name).detach().clone();

  structured_init(parameters, *config.vision, kActive, 3);

  EXPECT_TRUE(at::equal(before, parameters.at(name)));
}

}  // namespace
}  // namespace vila::train
