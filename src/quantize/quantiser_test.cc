// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantiser.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "formats/model_package.h"
#include "formats/vila_file.h"
#include "formats/weights.h"
#include "quantize/card.h"
#include "quantize/export.h"
#include "quantize/testing.h"
#include "support/machine.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::quantize {
namespace {

namespace fs = std::filesystem;

class Quantiser : public testing::TestWithParam<Method> {
 protected:
  Options options() const { return {.method = GetParam(), .grid = {.group = 32}}; }

  std::vector<fs::path> quantise(
      const fs::path& folder, bool is_resumed = false,
      const OnProgress& on_progress = [](const Progress&) {}) {
    return quantise_as(options(), folder, is_resumed, on_progress);
  }

  std::vector<fs::path> quantise_as(
      const Options& options, const fs::path& folder, bool is_resumed = false,
      const OnProgress& on_progress = [](const Progress&) {}) {
    return quantise_model(machine_.ctx, {model_.tensors, model_.config}, calibration_, options,
                          {folder, is_resumed}, on_progress);
  }

  test::Machine machine_;
  SmallModel model_ = small_model({.is_grouped = true, .has_bias = true});
  Calibration calibration_{random_rows(96, 64, 3), {50, 46}, "random rows"};
  test::TemporaryFolder folder_;
};

TEST_P(Quantiser, ARunThatWasStoppedGoesOnBitForBit) {
  const std::vector<fs::path> whole = quantise(folder_ / "whole");
  ASSERT_EQ(whole.size(), 2U);
  EXPECT_THROW(quantise(folder_ / "cut", false,
                        [](const Progress&) { throw Error(ErrorCode::cancelled, "stop"); }),
               Error);
  int resumed = 0;
  const std::vector<fs::path> rest = quantise(folder_ / "cut", true, [&](const Progress& progress) {
    resumed += progress.is_resumed ? 1 : 0;
  });
  EXPECT_EQ(resumed, 1);
  for (size_t i = 0; i < whole.size(); ++i)
    EXPECT_EQ(read_file(whole[i]), read_file(rest[i])) << i;
}

TEST_P(Quantiser, ThreadsDoNotChangeTheResult) {
  const std::vector<fs::path> two = quantise(folder_ / "two");
  test::Machine single(1);
  const std::vector<fs::path> one =
      quantise_model(single.ctx, {model_.tensors, model_.config}, calibration_, options(),
                     {folder_ / "one", false}, [](const Progress&) {});
  for (size_t i = 0; i < one.size(); ++i)
    EXPECT_EQ(read_file(one[i]), read_file(two[i])) << i;
}

TEST_P(Quantiser, LayersOfAnotherRunAreRefused) {
  quantise(folder_ / "w");
  test::expect_error(ErrorCode::invalid_argument, "--resume", [&] { quantise(folder_ / "w"); });
  calibration_.rows.data<float>()[0] += 1;
  test::expect_error(ErrorCode::invalid_argument, "another model, calibration or other options",
                     [&] { quantise(folder_ / "w", true); });
}

TEST_P(Quantiser, TheErrorIsSmallAndSaid) {
  std::vector<double> errors;
  quantise(folder_ / "w", false,
           [&](const Progress& progress) { errors.push_back(progress.error.relative); });
  ASSERT_EQ(errors.size(), 2U);
  for (const double error : errors) {
    EXPECT_GT(error, 0);
    EXPECT_LT(error, 0.05);
  }
}

TEST_P(Quantiser, AWeightThatIsNoNumberNamesItsTensor) {
  Tensor& weight = model_.tensors.find("model.layers.1.mlp.up_proj.weight")->second;
  weight = weight.to(DType::f32);
  weight.data<float>()[3] = NAN;
  test::expect_error(ErrorCode::invalid_model, "model.layers.1.mlp.up_proj.weight",
                     [&] { quantise(folder_ / "w"); });
}

std::string name_of(Method method) {
  if (method == Method::rtn) return "Rtn";
  return method == Method::awq ? "Awq" : "AwqSecond";
}

INSTANTIATE_TEST_SUITE_P(All, Quantiser,
                         testing::Values(Method::rtn, Method::awq, Method::awq_second),
                         [](const auto& instance) { return name_of(instance.param); });

class AwqResult : public Quantiser {
 protected:
  /// Values of a Linear as a written folder or file holds them.
  static Tensor weight_in(const fs::path& folder, const std::string& name) {
    return formats::read_weights(folder).quantised.at(name + ".weight").dequantise();
  }

  formats::ModelPackage package(Target target, const std::vector<fs::path>& layers) const {
    formats::ModelPackage package;
    package.parts[""] = model_.tensors;
    package.files["config.json"] = spec::config_json(model_.whole).dump(2);
    replace_linears(package, layers, target);
    return package;
  }
};

TEST_P(AwqResult, ASavedSearchGivesTheSameCodes) {
  const std::vector<fs::path> first = quantise(folder_ / "first");
  quantize::Search search;
  for (const fs::path& path : first) {
    const quantize::Search part = read_quantised(path).search;
    search.scales.insert(search.scales.end(), part.scales.begin(), part.scales.end());
    search.clips.insert(search.clips.end(), part.clips.begin(), part.clips.end());
  }
  EXPECT_EQ(search.scales.size(), 6U);  // three groups a layer, with grouped heads
  EXPECT_EQ(search.clips.size(), 10U);
  write_search(folder_ / "search.pt", search);
  Options loaded = options();
  loaded.search = read_search(folder_ / "search.pt");
  const std::vector<fs::path> second = quantise_as(loaded, folder_ / "second");
  for (size_t i = 0; i < first.size(); ++i) {
    const LayerResult a = read_quantised(first[i]);
    const LayerResult b = read_quantised(second[i]);
    for (size_t k = 0; k < kLinears; ++k) {
      EXPECT_EQ(compare(a.matrices[k].codes, b.matrices[k].codes).max_abs, 0);
      EXPECT_EQ(compare(a.matrices[k].scales, b.matrices[k].scales).max_abs, 0);
    }
  }
}

TEST_P(AwqResult, FilesHoldTheValuesOfTheCodes) {
  const std::vector<fs::path> layers = quantise(folder_ / "w");
  const LayerResult layer = read_quantised(layers[1]);
  const std::string name = "model.layers.1.self_attn.k_proj";
  for (const Target target : {Target::awq, Target::autoawq}) {
    const fs::path path = folder_ / target_name(target);
    write_quantised(path, package(target, layers), target, "m-w4-g32-awq-v2.pt");
    const Tensor values = weight_in(path, name);
    constexpr double kScalesInF16 = 2e-3;
    EXPECT_LE(compare(values, dequantise(layer.matrices[kK])).relative(), kScalesInF16)
        << target_name(target);
    const Tensor bias = formats::read_weights(path).tensors.at(name + ".bias");
    EXPECT_LE(compare(bias.to(DType::f32), layer.biases[kK]).relative(), 1e-3);
    EXPECT_FALSE(fs::exists(path.string() + ".partial"));
  }
}

TEST_P(AwqResult, FloatsAreTheValuesThemselves) {
  const std::vector<fs::path> layers = quantise(folder_ / "w");
  write_quantised(folder_ / "floats", package(Target::floats, layers), Target::floats, "");
  const Tensor values =
      formats::read_weights(folder_ / "floats").tensors.at("model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(compare(values, dequantise(read_quantised(layers[0]).matrices[kDown])).max_abs, 0);
}

TEST_P(AwqResult, OneVilaFileHoldsPackedLinearsAndAnEightBitHead) {
  const std::vector<fs::path> layers = quantise(folder_ / "w");
  formats::ModelPackage made = package(Target::vila, layers);
  round_head(made, Target::vila);
  write_quantised(folder_ / "m.vila", made, Target::vila, "");
  const formats::ModelPackage read = formats::read_vila(folder_ / "m.vila");
  const formats::QuantisedMap& quantised = read.quantised.at("");
  EXPECT_EQ(quantised.size(), 2 * kLinears + 2);
  const Tensor values = quantised.at("model.layers.1.self_attn.o_proj.weight").dequantise();
  EXPECT_LE(compare(values, dequantise(read_quantised(layers[1]).matrices[kO])).relative(), 2e-3);
  EXPECT_EQ(quantised.at("lm_head.weight").bits, 8);
  const Tensor table = model_.tensors.at("model.embed_tokens.weight");
  const Tensor rounded = quantised.at("model.embed_tokens.weight").dequantise();
  EXPECT_LE(compare(rounded, table).relative(), 0.51 / 127);
  EXPECT_FALSE(read.parts.at("").contains("model.layers.0.mlp.up_proj.weight"));
}

TEST_P(AwqResult, OneFileOfTheReferencesHasItsNames) {
  const std::vector<fs::path> layers = quantise(folder_ / "w");
  const fs::path path = folder_ / "m.pt";
  write_quantised(path, package(Target::awq, layers), Target::awq, "");
  const formats::TensorMap tensors = formats::read_weight_file(path);
  for (const char* name : {"qweight", "scales", "scaled_zeros", "bias"})
    EXPECT_TRUE(tensors.contains(std::string("model.layers.0.self_attn.q_proj.") + name)) << name;
  EXPECT_EQ(tensors.at("model.norm.weight").dtype(), DType::f16);
}

TEST_P(AwqResult, TheCardTellsWhatWasDone) {
  const std::vector<fs::path> layers = quantise(folder_ / "w");
  const Json json = card_json({.method = Method::awq,
                               .grid = {.group = 32},
                               .head = "as it was",
                               .vision = "8 bits a row",
                               .calibration = "two windows",
                               .version = "1",
                               .perplexity = PerplexityChange{20, 22, 100, "a.txt"}},
                              layers);
  EXPECT_EQ(json["layers"].size(), 2U);
  EXPECT_NEAR(json["perplexity"]["change_percent"].get<double>(), 10, 1e-9);
  const std::string text = card_text(json);
  EXPECT_NE(text.find("groups of 32"), std::string::npos) << text;
  EXPECT_NE(text.find("vision 8 bits a row"), std::string::npos) << text;
  EXPECT_NE(text.find("(+10.00 %)"), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(All, AwqResult, testing::Values(Method::awq, Method::awq_second),
                         [](const auto& instance) { return name_of(instance.param); });

TEST(Fit, GroupsThatDoNotDivideFallToOnesThatDo) {
  const spec::DecoderConfig config{.hidden_size = 320,
                                   .intermediate_size = 864,
                                   .num_attention_heads = 5,
                                   .num_key_value_heads = 5,
                                   .head_dim = 64};
  EXPECT_EQ(fitting_group(config, 128), 32);
  EXPECT_EQ(
      fitting_group(
          {.hidden_size = 256, .intermediate_size = 640, .num_attention_heads = 4, .head_dim = 64},
          128),
      128);
  EXPECT_NE(unfit(Target::awq, config, {.group = 32}).find("[320, 864]"), std::string::npos);
  EXPECT_EQ(unfit(Target::autoawq, config, {.group = 32}), "");
  EXPECT_NE(unfit(Target::autoawq, config, {.bits = 3, .group = 32}).find("4 bits"),
            std::string::npos);
}

TEST(SearchFile, ReadsTheReferencesResult) {
  const fs::path path =
      fs::path(VILA_SOURCE_DIR) / "../shared/conformance/awq/file/awq-results-w4-g128.pt";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  const Search search = read_search(path);
  ASSERT_EQ(search.scales.size(), 8U);
  ASSERT_EQ(search.clips.size(), 10U);
  const Search::Scale* scale = search.scale_of("model.layers.1.post_attention_layernorm");
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(scale->linears, (std::vector<std::string>{"model.layers.1.mlp.gate_proj",
                                                      "model.layers.1.mlp.up_proj"}));
  EXPECT_EQ(search.clip_of("model.layers.0.mlp.down_proj")->limits.shape(), Shape({256, 4}));
  EXPECT_EQ(search.clip_of("model.layers.0.self_attn.q_proj"), nullptr);
}

TEST(SearchFile, RefusesATorchFileOfSomethingElse) {
  const fs::path path =
      fs::path(VILA_SOURCE_DIR) / "../shared/conformance/awq/w8a8/smooth-scale.pt";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  test::expect_error(ErrorCode::invalid_model, "found neither", [&] { read_search(path); });
}

}  // namespace
}  // namespace vila::quantize
