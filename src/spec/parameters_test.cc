// SPDX-License-Identifier: Apache-2.0
#include "spec/parameters.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace vila::spec {
namespace {

namespace fs = std::filesystem;

const fs::path kTiny = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference/vila-7b-tiny";

/// VILA-7b of Feb 2024.
VilaConfig vila_7b() {
  VilaConfig config;
  config.vision = VisionConfig{};
  config.mm_vision_tower = "clip";
  config.mm_projector_type = "mlp2x_gelu";
  return config;
}

int64_t elements(const VilaConfig& config, Part part) {
  int64_t sum = 0;
  for (const Parameter& row : parameters(config)) {
    if (row.part == part) sum += row.shape.numel();
  }
  return sum;
}

std::map<std::string, Parameter> by_name(const VilaConfig& config) {
  std::map<std::string, Parameter> rows;
  for (const Parameter& row : parameters(config))
    EXPECT_TRUE(rows.emplace(row.name, row).second);
  return rows;
}

TEST(Parameters, CountsOfPublishedModels) {
  VilaConfig config = vila_7b();
  EXPECT_EQ(elements(config, Part::llm), 6'738'415'616);
  EXPECT_EQ(elements(config, Part::mm_projector), 20'979'712);
  EXPECT_EQ(elements(config, Part::vision_tower), 303'507'456);

  config.llm.hidden_size = 5120;
  config.llm.intermediate_size = 13824;
  config.llm.num_hidden_layers = 40;
  config.llm.num_attention_heads = 40;
  config.llm.num_key_value_heads = 40;
  EXPECT_EQ(elements(config, Part::llm), 13'015'864'320);
  EXPECT_EQ(elements(config, Part::mm_projector), 31'467'520);
}

TEST(Parameters, NamesAndShapesAreThoseOfTheTinyCheckpoint) {
  if (!fs::exists(kTiny)) GTEST_SKIP() << kTiny << " is absent";
  const auto rows = by_name(read_config(kTiny / "checkpoint", kTiny / "checkpoint/vision_tower"));
  std::set<std::string> stored;
  for (const char* file :
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    for (const auto& [name, tensor] :
         formats::read_safetensors(kTiny / "checkpoint" / file).tensors) {
      stored.insert(name);
      ASSERT_TRUE(rows.contains(name)) << name;
      EXPECT_EQ(rows.at(name).shape, tensor.shape()) << name;
    }
  }
  for (const auto& [name, row] : rows)
    EXPECT_TRUE(row.is_optional || stored.contains(name)) << name;
}

TEST(Parameters, DecayIsThatOfTheReferencesTrainer) {
  if (!fs::exists(kTiny)) GTEST_SKIP() << kTiny << " is absent";
  const Json training = read_json_file(kTiny / "training/training.json", ErrorCode::invalid_data);
  const auto expected = training.at("decayed").get<std::set<std::string>>();
  std::set<std::string> decayed;
  for (const Parameter& row :
       parameters(read_config(kTiny / "checkpoint", kTiny / "checkpoint/vision_tower"))) {
    if (row.part != Part::vision_tower && row.has_decay) decayed.insert(row.name);
  }
  EXPECT_EQ(decayed, expected);
}

TEST(Parameters, LayersBehindTheSelectedOneAreOptional) {
  const auto rows = by_name(vila_7b());
  const std::string layers = std::string(kVisionPrefix) + "encoder.layers.";

  EXPECT_FALSE(rows.at(layers + "22.mlp.fc2.bias").is_optional);
  EXPECT_TRUE(rows.at(layers + "23.mlp.fc2.bias").is_optional);
  EXPECT_TRUE(rows.at(std::string(kVisionPrefix) + "post_layernorm.weight").is_optional);
  EXPECT_FALSE(rows.at("lm_head.weight").is_optional);
}

TEST(Parameters, ALanguageModelHasOnlyItsOwn) {
  VilaConfig config;
  config.llm.tie_word_embeddings = true;
  const auto rows = by_name(config);

  EXPECT_FALSE(rows.contains("lm_head.weight"));
  EXPECT_TRUE(
      std::ranges::all_of(rows, [](const auto& row) { return row.second.part == Part::llm; }));
}

TEST(Parameters, GroupedKeysAndValuesAreNarrower) {
  VilaConfig config;
  config.llm.num_key_value_heads = 8;
  const auto rows = by_name(config);

  EXPECT_EQ(rows.at("model.layers.0.self_attn.k_proj.weight").shape, (Shape{1024, 4096}));
  EXPECT_EQ(rows.at("model.layers.0.self_attn.q_proj.weight").shape, (Shape{4096, 4096}));
}

TEST(ProjectorLinears, OfEveryType) {
  VilaConfig config = vila_7b();
  const auto prefixes = [&config](const char* type) {
    config.mm_projector_type = type;
    std::vector<std::string> names;
    for (const ProjectorLinear& linear : projector_linears(config))
      names.push_back(linear.prefix);
    return names;
  };

  EXPECT_EQ(prefixes("linear"), std::vector<std::string>{"model.mm_projector"});
  EXPECT_EQ(prefixes("mlp1x_gelu"), std::vector<std::string>{"model.mm_projector.0"});
  EXPECT_EQ(prefixes("mlp3x_gelu"),
            (std::vector<std::string>{"model.mm_projector.0", "model.mm_projector.2",
                                      "model.mm_projector.4"}));
  config.mm_hidden_size = config.llm.hidden_size;
  EXPECT_TRUE(prefixes("identity").empty());
}

/// "prefix in->out", "norm+prefix in->out" where a norm stands in front.
std::vector<std::string> steps(const VilaConfig& config) {
  std::vector<std::string> result;
  const size_t skipped = std::string("model.mm_projector.").size();
  for (const ProjectorLinear& linear : projector_linears(config)) {
    const std::string norm = linear.norm.empty() ? "" : linear.norm.substr(skipped) + "+";
    result.push_back(
        fmt::format("{}{} {}->{}", norm, linear.prefix.substr(skipped), linear.in, linear.out));
  }
  return result;
}

TEST(ProjectorLinears, ThatMergeNeighboursAreThoseOfTheReference) {
  VilaConfig config = vila_7b();
  config.mm_hidden_size = 1152;
  config.llm.hidden_size = 3584;
  config.mm_projector_type = "mlp_downsample";
  EXPECT_EQ(steps(config), (std::vector<std::string>{"1+2 4608->3584", "4 3584->3584"}));
  config.mm_projector_type = "mlp_downsample_3x3_fix";
  EXPECT_EQ(steps(config),
            (std::vector<std::string>{"1+2 10368->3456", "4+5 3456->3584", "7 3584->3584"}));
  config.mm_projector_type = "mlp_downsample_3x3_s2";
  EXPECT_EQ(steps(config),
            (std::vector<std::string>{"1+2 10368->3456", "4+5 3456->1152", "7+8 1152->384",
                                      "10+11 384->3584", "13 3584->3584"}));
  config.mm_projector_type = "mlp_downsample_3x3_s2_new";
  EXPECT_EQ(steps(config),
            (std::vector<std::string>{"1+2 10368->4608", "4+5 4608->2304", "7+8 2304->1152",
                                      "10+11 1152->384", "13+14 384->3584", "16 3584->3584"}));
}

TEST(ProjectorDownsampling, IsColumnMajorOnlyForVila15) {
  VilaConfig config = vila_7b();
  EXPECT_EQ(projector_downsampling(config).rate, 1);
  config.mm_projector_type = "mlp_downsample";
  config.generation = Generation::vila_1_5;
  EXPECT_EQ(projector_downsampling(config).rate, 2);
  EXPECT_TRUE(projector_downsampling(config).is_column_major);
  config.generation = Generation::nvila;
  EXPECT_FALSE(projector_downsampling(config).is_column_major);
  config.mm_projector_type = "mlp_downsample_3x3_fix";
  EXPECT_EQ(projector_downsampling(config).rate, 3);
}

TEST(ProjectorLinears, UnknownTypesListTheKnownOnes) {
  VilaConfig config = vila_7b();
  for (const char* type :
       {"mlp_downsample_4x4", "mlp0x_gelu", "mlp17x_gelu", "mlp-2x_gelu", "mlpx_gelu",
        "mlp2x_gelu ", "mlp99999999999999999999x_gelu", "", "identity"}) {
    config.mm_projector_type = type;
    try {
      projector_linears(config);
      ADD_FAILURE() << type;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_config);
      EXPECT_NE(error.message().find("identity"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace vila::spec
