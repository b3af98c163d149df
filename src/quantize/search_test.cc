// SPDX-License-Identifier: Apache-2.0
// The searches of AWQ against plain loops and against what must hold of any of them.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "base/random.h"
#include "quantize/calibration.h"
#include "quantize/clip_search.h"
#include "quantize/scale_search.h"
#include "quantize/testing.h"
#include "support/machine.h"
#include "tensor/compare.h"

namespace vila::quantize {
namespace {

/// A layer with or without grouped heads and biases, and rows to run it on.
class Search : public testing::TestWithParam<bool> {
 protected:
  Search() : model_(small_model({.is_grouped = GetParam(), .has_bias = GetParam()})) {}

  Block block(int64_t index = 0) const { return load_block(model_.tensors, model_.config, index); }

  test::Machine machine_;
  SmallModel model_;
  BlockRunner runner_{machine_.ctx, model_.config, {40, 24}};
  Tensor x_ = random_rows(64, model_.config.hidden_size, 9);
};

TEST_P(Search, FoldingKeepsTheFunction) {
  const Block before = block();
  Block after = before;
  Random random(3);
  for (const ScaleGroup& group : scale_groups(before)) {
    const Tensor scales =
        Tensor::empty(DType::f32, {before.linears[group.linears.front()].weight.dim(1)});
    for (float& s : scales.values<float>())
      s = static_cast<float>(std::exp(random.normal()));
    fold_scales(after, group, scales);
  }
  const Difference difference = compare(runner_.result(after, x_), runner_.result(before, x_));
  EXPECT_LE(difference.relative(), 1e-5);
  EXPECT_GT(compare(after.input_norm, before.input_norm).max_abs, 0.1);
}

TEST_P(Search, InputsAreThoseOfTheFoldedLinears) {
  const Block before = block();
  const BlockInputs inputs = runner_.run(before, x_);
  for (const ScaleGroup& group : scale_groups(before)) {
    const size_t linear = group.linears.front();
    const ScaleChoice choice = search_scales(runner_, before, inputs, group, {.group = 32});
    Block folded = before;
    fold_scales(folded, group, choice.scales);
    Tensor divided = inputs.of(linear).to(DType::f32);
    divide_columns(divided, choice.scales);
    EXPECT_LE(compare(divided, runner_.run(folded, x_).of(linear)).relative(), 1e-5)
        << absorber_name(group.absorber);
  }
}

TEST_P(Search, TheLeastLossWinsAndIsNoWorseThanNoScaling) {
  const Block before = block();
  const BlockInputs inputs = runner_.run(before, x_);
  for (const ScaleGroup& group : scale_groups(before)) {
    const ScaleChoice choice =
        search_scales(runner_, before, inputs, group, {.group = 32}, Losses::all);
    for (const double loss : choice.losses)
      EXPECT_LE(choice.losses[static_cast<size_t>(choice.exponent)], loss);
    EXPECT_GT(choice.losses[0], 0);
  }
}

// Sums that stop early are those of the whole search, as far as they go.
TEST_P(Search, StoppingEarlyChoosesTheSame) {
  const std::vector<int64_t> lengths(12, 100);  // several parts, each of whole sequences
  const BlockRunner runner(machine_.ctx, model_.config, lengths);
  const Tensor x = random_rows(1200, model_.config.hidden_size, 11);
  int stopped = 0;
  for (const int64_t index : {int64_t{0}, int64_t{1}}) {
    const Block before = block(index);
    const BlockInputs inputs = runner.run(before, x);
    for (const ScaleGroup& group : scale_groups(before)) {
      const GridOptions options{.group = 32};
      const ScaleChoice whole = search_scales(runner, before, inputs, group, options, Losses::all);
      const ScaleChoice early = search_scales(runner, before, inputs, group, options);
      EXPECT_EQ(early.exponent, whole.exponent);
      EXPECT_TRUE(std::ranges::equal(early.scales.values<float>(), whole.scales.values<float>()));
      for (size_t i = 0; i < early.losses.size(); ++i) {
        EXPECT_LE(early.losses[i], whole.losses[i]);
        EXPECT_GE(early.losses[i], whole.losses[static_cast<size_t>(whole.exponent)]);
        stopped += early.losses[i] < whole.losses[i] ? 1 : 0;
      }
    }
  }
  EXPECT_GT(stopped, 0);
}

TEST_P(Search, ALoudInputIsScaledUp) {
  Block loud = block();
  loud.input_norm.data<float>()[5] = 40;
  const BlockInputs inputs = runner_.run(loud, x_);
  const ScaleChoice choice =
      search_scales(runner_, loud, inputs, scale_groups(loud).front(), {.group = 32});
  EXPECT_GT(choice.exponent, 0);
  for (int64_t k = 0; k < choice.scales.numel(); ++k)
    EXPECT_LE(choice.scales.data<float>()[k], choice.scales.data<float>()[5]);
}

TEST_P(Search, GroupedHeadsHaveNoGroupOfValuesAndOutputs) {
  EXPECT_EQ(scale_groups(block()).size(), GetParam() ? 3U : 4U);
}

// The sums of the reference: over tokens, of the square of the change of a group's products.
double plain_error(const Tensor& weight, const Tensor& x, int64_t n, int64_t g, float limit,
                   const GridOptions& options) {
  const int64_t in = weight.dim(1);
  std::vector<float> group(weight.data<float>() + n * in + g * options.group,
                           weight.data<float>() + n * in + (g + 1) * options.group);
  std::vector<float> changed = group;
  for (float& w : changed)
    w = std::clamp(w, -limit, limit);
  round_row(changed, options);
  double sum = 0;
  for (int64_t t = 0; t < x.dim(0); ++t) {
    double change = 0;
    for (size_t k = 0; k < group.size(); ++k) {
      const int64_t column = g * options.group + static_cast<int64_t>(k);
      change += double{x.data<float>()[t * in + column]} * (double{changed[k]} - double{group[k]});
    }
    sum += change * change;
  }
  return sum / static_cast<double>(x.dim(0));
}

TEST_P(Search, ClipsAreThoseOfAPlainLoop) {
  const GridOptions options{.group = 32};
  const Tensor weight = block().linears[kGate].weight;
  const ClipChoice choice = search_clips(machine_.ctx, weight, x_, options);
  int64_t differing = 0;
  int64_t clipped = 0;
  for (int64_t i = 0; i < choice.steps.numel(); ++i) {
    const int64_t n = i / choice.steps.dim(1);
    const int64_t g = i % choice.steps.dim(1);
    float largest = 0;
    for (int64_t k = g * 32; k < (g + 1) * 32; ++k)
      largest = std::max(largest, std::abs(weight.data<float>()[n * weight.dim(1) + k]));
    int best = 0;
    double least = INFINITY;
    for (int step = 0; step < kClipSteps; ++step) {
      const float limit = largest * static_cast<float>(1.0 - step / 20.0);
      const double error = plain_error(weight, x_, n, g, limit, options);
      if (error >= least) continue;
      least = error;
      best = step;
    }
    differing += best != choice.steps.data<uint8_t>()[i] ? 1 : 0;
    clipped += best > 0 ? 1 : 0;
    EXPECT_EQ(choice.limits.data<float>()[i],
              largest * static_cast<float>(1.0 - choice.steps.data<uint8_t>()[i] / 20.0));
  }
  EXPECT_EQ(differing, 0);
  EXPECT_GT(clipped, 0);
}

TEST_P(Search, ClampedWeightsLieWithinTheirLimits) {
  Tensor weight = block().linears[kUp].weight;
  const GridOptions options{.group = 32};
  const ClipChoice choice = search_clips(machine_.ctx, weight, x_, options);
  apply_clips(weight, choice.limits, options.group);
  for (int64_t i = 0; i < weight.numel(); ++i) {
    const int64_t at = i / weight.dim(1) * choice.limits.dim(1) + i % weight.dim(1) / 32;
    EXPECT_LE(std::abs(weight.data<float>()[i]), choice.limits.data<float>()[at]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Search, testing::Bool(), [](const auto& row) {
  return row.param ? "GroupedHeadsWithBiases" : "LlamaHeads";
});

TEST(Calibration, TakesAllWindowsOrSomeOfThemInOrder) {
  EXPECT_EQ(choose_windows(100, {.tokens = 30, .samples = 9}), (std::vector<int64_t>{0, 30, 60}));
  EXPECT_EQ(choose_windows(20, {.tokens = 30, .samples = 9}), (std::vector<int64_t>{0}));
  const WindowChoice some{.tokens = 10, .samples = 4, .seed = 7};
  const std::vector<int64_t> first = choose_windows(1000, some);
  EXPECT_EQ(first.size(), 4U);
  EXPECT_TRUE(std::ranges::is_sorted(first));
  EXPECT_EQ(first, choose_windows(1000, some));
  EXPECT_NE(first, choose_windows(1000, {.tokens = 10, .samples = 4, .seed = 8}));
}

TEST(Calibration, RefusesTokensThatTheTableLacks) {
  const Tensor table = Tensor::zeros(DType::f16, {4, 8});
  const std::vector<text::TokenId> ids = {1, 4};
  test::expect_error(ErrorCode::invalid_data, "token id 4: expected 0 to 3",
                     [&] { calibrate_text(table, ids, {}); });
  test::expect_error(ErrorCode::invalid_data, "found none", [&] { calibrate_text(table, {}, {}); });
}

}  // namespace
}  // namespace vila::quantize
