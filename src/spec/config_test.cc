// SPDX-License-Identifier: Apache-2.0
#include "spec/config.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "support/temporary_folder.h"
#include "vila/error.h"

namespace vila::spec {
namespace {

namespace fs = std::filesystem;

const fs::path kTiny = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference/vila-7b-tiny";

/// A small sound VILA.
VilaConfig small() {
  VilaConfig config;
  config.llm = {.hidden_size = 48,
                .intermediate_size = 112,
                .num_hidden_layers = 3,
                .num_attention_heads = 6,
                .num_key_value_heads = 2,
                .head_dim = 8,
                .vocab_size = 800,
                .rms_norm_eps = 1e-6};
  config.vision = VisionConfig{.image_size = 56,
                               .patch_size = 14,
                               .hidden_size = 32,
                               .intermediate_size = 64,
                               .num_hidden_layers = 4,
                               .num_attention_heads = 4};
  config.mm_vision_tower = "vision_tower";
  config.mm_projector_type = "mlp2x_gelu";
  config.mm_hidden_size = 32;
  config.image_aspect_ratio = "pad";
  config.image_processor.image_size = 56;
  return config;
}

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    fs::create_directory(vision());
    const VilaConfig config = small();
    root_ = config_json(config);
    tower_ = vision_config_json(*config.vision);
    processor_ = preprocessor_json(config.image_processor);
  }

  fs::path vision() const { return folder_ / "vision_tower"; }

  VilaConfig read() {
    write_file(folder_ / "config.json", root_.dump());
    write_file(vision() / "config.json", tower_.dump());
    write_file(vision() / "preprocessor_config.json", processor_.dump());
    return read_config(folder_.path(), vision());
  }

  void expect_refused(const std::string& part) {
    try {
      read();
      ADD_FAILURE() << "read; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_config) << error.message();
      EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
    }
  }

  test::TemporaryFolder folder_;
  Json root_;
  Json tower_;
  Json processor_;
};

TEST_F(ConfigTest, WhatIsWrittenIsRead) {
  const VilaConfig config = read();

  EXPECT_EQ(config_json(config), config_json(small()));
  EXPECT_EQ(vision_config_json(*config.vision), vision_config_json(*small().vision));
  EXPECT_EQ(preprocessor_json(config.image_processor), preprocessor_json(small().image_processor));
  EXPECT_EQ(config.image_processor.mode, media::ProcessorConfig::Mode::pad);
  EXPECT_EQ(config.llm.num_key_value_heads, 2);
  EXPECT_EQ(config.llm.rms_norm_eps, 1e-6);
}

TEST_F(ConfigTest, SecondToLastLayerOfFourMeansThreeRun) {
  VilaConfig config = read();
  EXPECT_EQ(config.vision_layers_used(), 3);
  EXPECT_EQ(config.tokens_per_image(), 16);

  config.mm_vision_select_layer = -1;
  EXPECT_EQ(config.vision_layers_used(), 4);
  config.mm_vision_select_layer = 2;
  EXPECT_EQ(config.vision_layers_used(), 2);
  config.mm_vision_select_feature = "cls_patch";
  EXPECT_EQ(config.tokens_per_image(), 17);
}

TEST_F(ConfigTest, AbsentKeysMeanWhatTheReferenceTakesThemFor) {
  for (const char* key :
       {"mm_projector_type", "image_aspect_ratio", "mm_vision_select_feature", "rope_theta",
        "num_key_value_heads", "head_dim", "tokenizer_model_max_length", "tie_word_embeddings",
        "mm_use_im_patch_token", "rms_norm_eps"}) {
    root_.erase(key);
  }
  const VilaConfig config = read();

  EXPECT_EQ(config.mm_projector_type, "linear");
  EXPECT_EQ(config.image_aspect_ratio, "square");
  EXPECT_EQ(config.image_processor.mode, media::ProcessorConfig::Mode::crop);
  EXPECT_EQ(config.mm_vision_select_feature, "patch");
  EXPECT_EQ(config.llm.num_key_value_heads, 6);
  EXPECT_EQ(config.llm.head_dim, 8);
  EXPECT_EQ(config.model_max_length, 4096);
  EXPECT_EQ(config.llm.rms_norm_eps, 1e-6);
}

TEST_F(ConfigTest, WithoutATowerItIsALanguageModel) {
  root_.erase("mm_vision_tower");
  root_["model_type"] = "llama";
  write_file(folder_ / "config.json", root_.dump());
  const VilaConfig config = read_config(folder_.path(), {});

  EXPECT_FALSE(config.has_vision());
  EXPECT_EQ(config.tokens_per_image(), 0);
  EXPECT_FALSE(config_json(config).contains("mm_vision_tower"));
  EXPECT_EQ(config_json(config)["model_type"], "llama");
}

TEST_F(ConfigTest, ReadsTheTinyReferenceInBothLayouts) {
  if (!fs::exists(kTiny)) GTEST_SKIP() << kTiny << " is absent";
  const VilaConfig embedded = read_config(kTiny / "checkpoint", kTiny / "checkpoint/vision_tower");
  const VilaConfig separate = read_config(kTiny / "checkpoint-bin", kTiny / "clip");

  for (const VilaConfig& config : {embedded, separate}) {
    EXPECT_EQ(config.llm.vocab_size, 800);
    EXPECT_EQ(config.llm.head_dim, 12);
    EXPECT_EQ(config.vision->num_hidden_layers, 4);
    EXPECT_EQ(config.vision_layers_used(), 3);
    EXPECT_EQ(config.tokens_per_image(), 16);
    EXPECT_EQ(config.image_processor.image_size, 56);
  }
}

TEST_F(ConfigTest, NewerProcessorFilesWriteSizesAsObjects) {
  processor_["size"] = {{"shortest_edge", 56}};
  processor_["crop_size"] = {{"height", 56}, {"width", 56}};
  EXPECT_EQ(read().image_processor.image_size, 56);

  processor_["crop_size"] = {{"height", 56}, {"width", 55}};
  expect_refused("a square");
}

TEST_F(ConfigTest, TowerFieldsMayStandAtTheTop) {
  tower_ = tower_["vision_config"];
  EXPECT_EQ(read().vision->hidden_size, 32);
}

TEST_F(ConfigTest, MissingFilesAreNamed) {
  read();
  fs::remove(vision() / "preprocessor_config.json");
  try {
    read_config(folder_.path(), vision());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.message().find("preprocessor_config.json"), std::string::npos);
  }
}

TEST_F(ConfigTest, BrokenJsonIsAnInvalidConfig) {
  for (const std::string& content : {std::string("{"), std::string("[1]"), std::string(10000, '['),
                                     std::string(), std::string("1")}) {
    write_file(folder_ / "config.json", content);
    try {
      read_config(folder_.path(), vision());
      ADD_FAILURE() << content.substr(0, 10);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_config) << error.message();
      EXPECT_NE(error.message().find("config.json"), std::string::npos);
    }
  }
}

struct BadValue {
  const char* key;
  Json value;
  const char* message;
};

TEST_F(ConfigTest, RefusesBadValuesOfTheDecoder) {
  const Json sound = root_;
  const BadValue cases[] = {
      {"hidden_size", "48", "\"hidden_size\": expected an integer, found \"48\""},
      {"hidden_size", nullptr, "\"hidden_size\""},
      {"hidden_size", 0, "\"hidden_size\": expected 1 to"},
      {"hidden_size", -48, "\"hidden_size\""},
      {"hidden_size", int64_t{1} << 62, "\"hidden_size\""},
      {"vocab_size", int64_t{1} << 40, "\"vocab_size\""},
      {"num_hidden_layers", 1'000'000, "\"num_hidden_layers\""},
      {"num_attention_heads", 0, "\"num_attention_heads\""},
      {"num_key_value_heads", 0, "\"num_key_value_heads\""},
      {"num_key_value_heads", 4, "\"num_attention_heads\": expected a multiple"},
      {"num_key_value_heads", 12, "\"num_key_value_heads\""},
      {"head_dim", 7, "\"head_dim\": expected a multiple of 2"},
      {"rms_norm_eps", 0, "\"rms_norm_eps\""},
      {"rms_norm_eps", "x", "\"rms_norm_eps\""},
      {"rope_theta", -1, "\"rope_theta\""},
      {"rope_scaling", {{"type", "yarn"}}, "\"rope_scaling\": expected null"},
      {"rope_scaling", {{"type", "linear"}, {"factor", 0}}, "rope_scaling.factor"},
      {"rope_scaling", "linear", "\"rope_scaling\": expected an object"},
      {"hidden_act", "gelu", "\"hidden_act\": expected silu"},
      {"attention_bias", true, "\"attention_bias\""},
      {"model_type", "mpt",
       "\"model_type\": expected llava_llama, llama, mistral or qwen2, found \"mpt\""},
      {"bos_token_id", 800, "\"bos_token_id\""},
      {"tokenizer_model_max_length", 0, "\"tokenizer_model_max_length\""},
      {"tie_word_embeddings", 1, "\"tie_word_embeddings\""},
  };
  for (const BadValue& bad : cases) {
    root_ = sound;
    root_[bad.key] = bad.value;
    expect_refused(bad.message);
  }
}

TEST_F(ConfigTest, RefusesBadValuesOfTheVisionSide) {
  const Json sound = root_;
  const BadValue cases[] = {
      {"mm_projector_type", "resampler", "mlpNx_gelu"},
      {"mm_hidden_size", 33, "\"mm_hidden_size\": expected 32 as in the tower's hidden_size"},
      {"mm_vision_select_layer", -6, "\"mm_vision_select_layer\""},
      {"mm_vision_select_layer", 5, "\"mm_vision_select_layer\""},
      {"mm_vision_select_feature", "cls", "patch or cls_patch"},
      {"mm_use_im_start_end", true, "\"mm_use_im_start_end\""},
      {"image_aspect_ratio", "round", "round"},
      {"max_tiles", 0, "\"max_tiles\""},
      {"min_tiles", 13, "\"min_tiles\""},
      {"num_video_frames", 0, "\"num_video_frames\""},
      {"video_encoder", "{]", "video_encoder"},
      {"video_encoder", R"({"pool_sizes": [[8, 1]]})", "\"video_encoder\""},
      {"video_encoder", R"({"pool_sizes": [[8, 0, 1]]})", "\"video_encoder\""},
  };
  for (const BadValue& bad : cases) {
    root_ = sound;
    root_[bad.key] = bad.value;
    expect_refused(bad.message);
  }
}

TEST_F(ConfigTest, RefusesBadTowersAndProcessors) {
  const Json tower = tower_;
  const BadValue towers[] = {
      {"patch_size", 0, "\"patch_size\""},
      {"patch_size", 57, "\"patch_size\""},
      {"image_size", 1'000'000, "\"image_size\""},
      {"num_channels", 1, "\"num_channels\""},
      {"num_attention_heads", 5, "\"hidden_size\": expected a multiple"},
      {"hidden_act", "relu", "\"hidden_act\": expected quick_gelu"},
      {"layer_norm_eps", -1, "\"layer_norm_eps\""},
  };
  for (const BadValue& bad : towers) {
    tower_ = tower;
    tower_["vision_config"][bad.key] = bad.value;
    expect_refused(bad.message);
  }
  tower_ = tower;
  const Json processor = processor_;
  const BadValue processors[] = {
      {"crop_size", 28, "\"size\""},
      {"resample", 2, "\"resample\": expected 3"},
      {"do_normalize", false, "\"do_normalize\""},
      {"image_mean", {0.5, 0.5}, "\"image_mean\": expected three numbers"},
      {"image_std", {0.5, 0.5, 0.0}, "\"image_std\""},
      {"image_std", {0.5, "x", 0.5}, "\"image_std\""},
  };
  for (const BadValue& bad : processors) {
    processor_ = processor;
    processor_[bad.key] = bad.value;
    expect_refused(bad.message);
  }
}

TEST_F(ConfigTest, VisionResolutionResizesTheTableOfASiglipTower) {
  root_["vision_resolution"] = 56;
  EXPECT_EQ(read().vision->stored_image_size, 0) << "the tower's own size";
  root_["vision_resolution"] = 84;
  expect_refused("only a SigLIP tower");

  tower_ = tower_["vision_config"];
  tower_["model_type"] = "siglip_vision_model";
  tower_["hidden_act"] = "gelu_pytorch_tanh";
  const VilaConfig config = read();
  EXPECT_EQ(config.vision->image_size, 84);
  EXPECT_EQ(config.vision->rows(), 36);
  EXPECT_EQ(config.vision->stored_rows(), 16);
  EXPECT_EQ(config.image_processor.image_size, 84);

  root_["interpolate_mode"] = "bicubic";
  expect_refused("\"interpolate_mode\": expected linear");
  root_.erase("interpolate_mode");
  root_["vision_resolution"] = 20;
  expect_refused("two patches");
}

TEST_F(ConfigTest, AWindowOfMistralMustHoldTheContext) {
  root_["model_type"] = "mistral";
  root_["tokenizer_model_max_length"] = 128;
  root_["sliding_window"] = 128;
  EXPECT_EQ(read().model_max_length, 128);
  root_["sliding_window"] = nullptr;
  EXPECT_EQ(read().model_max_length, 128);
  root_["sliding_window"] = 127;
  expect_refused("\"sliding_window\"");
}

TEST_F(ConfigTest, FramesAreTiledWherePicturesAre) {
  root_["video_max_tiles"] = 4;
  EXPECT_FALSE(read().tiles_frames()) << "pad";
  root_["image_aspect_ratio"] = "dynamic";
  EXPECT_TRUE(read().tiles_frames());
  root_["video_max_tiles"] = 1;
  EXPECT_FALSE(read().tiles_frames());
  root_["video_max_tiles"] = 0;
  expect_refused("\"video_max_tiles\"");
}

TEST_F(ConfigTest, S2HasScalesThatAreMultiplesOfTheTower) {
  root_["s2"] = true;
  root_["s2_scales"] = "112,56";
  root_["s2_max_split_size"] = 56;
  root_["mm_hidden_size"] = 64;
  processor_["crop_size"] = processor_["size"] = 56;
  const VilaConfig config = read();
  ASSERT_TRUE(config.s2.has_value());
  EXPECT_EQ(config.s2->sides, (std::vector<int64_t>{56, 112}));
  EXPECT_FALSE(config.s2->is_dynamic);
  EXPECT_EQ(config.image_processor.image_size, 112);

  const Json sound = root_;
  const BadValue cases[] = {
      {"s2_scales", "56,100", "\"s2_scales\": expected a multiple"},
      {"s2_scales", "112,224", "\"s2_scales\""},
      {"s2_scales", "56;112", "\"s2_scales\": expected numbers"},
      {"s2_scales", "", "\"s2_scales\": expected 1 to 8"},
      {"s2_max_split_size", 28, "\"s2_max_split_size\""},
      {"s2_resize_output_to_scale_idx", 2, "\"s2_resize_output_to_scale_idx\""},
      {"mm_hidden_size", 32, "\"mm_hidden_size\": expected 64"},
  };
  for (const BadValue& bad : cases) {
    root_ = sound;
    root_[bad.key] = bad.value;
    expect_refused(bad.message);
  }
}

TEST_F(ConfigTest, ReadsScalingOfRotaryPositions) {
  root_["rope_scaling"] = {{"rope_type", "llama3"},
                           {"factor", 8.0},
                           {"low_freq_factor", 1.0},
                           {"high_freq_factor", 4.0},
                           {"original_max_position_embeddings", 8192}};
  root_["eos_token_id"] = {7, 8};
  const DecoderConfig llm = read().llm;
  EXPECT_EQ(llm.rope_scaling.kind, RopeScaling::Kind::llama3);
  EXPECT_EQ(llm.rope_scaling.factor, 8);
  EXPECT_EQ(llm.eos_token_id, 7);
  root_["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(read().llm.rope_scaling.kind, RopeScaling::Kind::linear);
}

struct PublishedConfig {
  const char* name;
  Generation generation;
  Tower tower;
  int64_t tower_tokens;
  int64_t tokens_per_image;
};

TEST(PublishedConfigs, AreReadFromTheirThreeFolders) {
  const fs::path reference = kTiny.parent_path();
  if (!fs::exists(reference)) GTEST_SKIP() << reference << " is absent";
  const PublishedConfig cases[] = {
      {"vila1.5-tiny", Generation::vila_1_5, Tower::siglip, 25, 9},
      {"vila1.5-s2-tiny", Generation::vila_1_5, Tower::siglip, 9, 4},
      {"vila1.5-internvit-tiny", Generation::vila_1_5, Tower::intern, 36, 9},
      {"nvila-tiny", Generation::nvila, Tower::siglip, 16, 4},
      {"nvila-lite-tiny", Generation::nvila, Tower::siglip, 25, 4},
      {"nvila-video-tiny", Generation::nvila, Tower::siglip, 16, 4},
  };
  for (const PublishedConfig& expected : cases) {
    SCOPED_TRACE(expected.name);
    const fs::path root = reference / expected.name / "checkpoint";
    const VilaConfig config = read_config(root, root / "vision_tower");
    EXPECT_EQ(config.generation, expected.generation);
    EXPECT_EQ(config.vision->tower, expected.tower);
    EXPECT_EQ(config.tower_tokens(), expected.tower_tokens);
    EXPECT_EQ(config.tokens_per_image(), expected.tokens_per_image);
    EXPECT_EQ(config.llm.has_qkv_bias, expected.generation == Generation::nvila);
    const VideoPools pools =
        std::string(expected.name) == "nvila-video-tiny" ? VideoPools{{8, 1, 1}} : VideoPools{};
    EXPECT_EQ(config.video_pools, pools);
  }
}

TEST_F(ConfigTest, TheProcessorMustGiveWhatTheTowerTakes) {
  processor_["crop_size"] = 28;
  processor_["size"] = 28;

  expect_refused("\"crop_size\": expected 56 as in the tower's image_size, found 28");
}

}  // namespace
}  // namespace vila::spec
