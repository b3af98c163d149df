// SPDX-License-Identifier: Apache-2.0
// A tower in 8 bits, as a package holds it, is the one that loading makes of the floats.
#include "quantize/vision.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "formats/vila_file.h"
#include "model/vila.h"
#include "spec/parameters.h"
#include "support/expect_error.h"
#include "support/machine.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"
#include "tensor/compare.h"

namespace vila::quantize {
namespace {

Tensor random_pixels(int64_t side) {
  Random random(5);
  Tensor pixels = Tensor::empty(DType::f32, {2, 3, side, side});
  for (float& value : pixels.values<float>())
    value = static_cast<float>(random.normal());
  return pixels;
}

class RoundVision : public testing::Test {
 protected:
  RoundVision() : config_(test::tiny_config()) {
    test::write_tiny_checkpoint(folder_ / "floats", {.config = config_});
  }

  formats::Checkpoint floats() const { return formats::open_checkpoint(folder_ / "floats"); }

  // The same model with 8-bit vision in a file.
  std::filesystem::path write(const model::ActivationMaxima& maxima) {
    formats::ModelPackage package = formats::open_package(folder_ / "floats");
    round_vision(package, floats(), config_, maxima, machine_.pool);
    formats::write_vila(folder_ / "rounded.vila", package);
    return folder_ / "rounded.vila";
  }

  Tensor rows(const model::Vila& model) {
    return model.encode_images(machine_.ctx, random_pixels(config_.vision->image_size))
        .to(DType::f32);
  }

  test::TemporaryFolder folder_;
  test::Machine machine_;
  spec::VilaConfig config_;
};

TEST_F(RoundVision, AFileHoldsWhatLoadingWouldMake) {
  const model::Vila made = model::Vila::load(floats(), machine_.pool, model::VisionWeights::int8);
  const model::Vila read = model::Vila::load(write({}));
  EXPECT_EQ(compare(rows(read), rows(made)).max_abs, 0);
}

TEST_F(RoundVision, RecordedMaximaSmooth) {
  model::ActivationMaxima maxima;
  machine_.ctx.observer = [&](std::string_view name, const Tensor& x) {
    model::record_maximum(name, x, maxima);
  };
  const Tensor truth = rows(model::Vila::load(floats(), machine_.pool));
  machine_.ctx.observer = {};
  EXPECT_EQ(maxima.size(), static_cast<size_t>(2 * config_.vision_layers_used()));
  const Tensor smoothed = rows(model::Vila::load(write(maxima)));
  EXPECT_LE(compare(smoothed, truth).relative(), 0.05);
  const Tensor guessed =
      rows(model::Vila::load(floats(), machine_.pool, model::VisionWeights::int8));
  EXPECT_GT(compare(smoothed, guessed).max_abs, 0) << "other factors, other codes";
}

TEST_F(RoundVision, UnusedLayersAreLeftOut) {
  const formats::ModelPackage package = formats::read_vila(write({}));
  const std::string unused =
      fmt::format("{}encoder.layers.{}.", spec::kVisionPrefix, config_.vision_layers_used());
  ASSERT_LT(config_.vision_layers_used(), config_.vision->num_hidden_layers);
  for (const auto& [part, tensors] : package.parts) {
    for (const auto& [name, tensor] : tensors)
      EXPECT_FALSE(formats::flat_name(part, name).starts_with(unused)) << name;
  }
}

TEST_F(RoundVision, AModelWithoutTowerIsRefused) {
  config_ = test::tiny_language_config();
  formats::ModelPackage package;
  test::expect_error(ErrorCode::invalid_argument, "a model with a tower",
                     [&] { round_vision(package, floats(), config_, {}, machine_.pool); });
}

}  // namespace
}  // namespace vila::quantize
