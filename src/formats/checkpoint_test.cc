// SPDX-License-Identifier: Apache-2.0
#include "formats/checkpoint.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "formats/model_package.h"
#include "formats/safetensors.h"
#include "formats/vila_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

const std::string kTower = "model.vision_tower.vision_tower.vision_model.";

void write_tensors(const fs::path& path, const std::vector<std::string>& names) {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : names)
    tensors.push_back({name, Tensor::zeros(DType::f32, {2})});
  fs::create_directories(path.parent_path());
  write_safetensors(path, tensors);
}

class CheckpointFolder : public testing::Test {
 protected:
  void write_config(const std::string& text) { write_file(folder_ / "config.json", text); }

  /// The error that opening gives.
  Error refusal() {
    try {
      open_checkpoint(folder_.path());
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "opened";
    return {ErrorCode::failed, ""};
  }

  void expect_refusal(ErrorCode code, const std::string& part) {
    const Error error = refusal();
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
  }

  test::TemporaryFolder folder_;
};

TEST_F(CheckpointFolder, OpensOneFileOfALanguageModelAndIgnoresDerivedBuffers) {
  write_config(R"({"model_type": "llama"})");
  write_tensors(folder_ / "model.safetensors",
                {"model.norm.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"});

  const Checkpoint checkpoint = open_checkpoint(folder_.path());

  EXPECT_EQ(checkpoint.tensors.size(), 1U);
  EXPECT_TRUE(checkpoint.tensors.contains("model.norm.weight"));
  EXPECT_TRUE(checkpoint.vision_folder.empty());
  EXPECT_EQ(checkpoint.files, std::vector{folder_ / "model.safetensors"});
}

TEST_F(CheckpointFolder, TakesTheTowerOfTheFolderThatTheConfigNames) {
  for (const std::string name : {"vision_tower", "tower/../vision_tower/", "openai/clip-vit"}) {
    write_config(R"({"mm_vision_tower": ")" + name + "\"}");
    write_tensors(folder_ / "model.safetensors", {"model.norm.weight"});
    write_tensors(folder_ / name / "model.safetensors",
                  {"vision_model.post_layernorm.bias", "vision_model.embeddings.position_ids",
                   "text_model.final_layer_norm.bias", "logit_scale", "visual_projection.weight"});
    write_file(folder_ / name / "config.json", "{}");

    const Checkpoint checkpoint = open_checkpoint(folder_.path());

    EXPECT_EQ(checkpoint.tensors.size(), 2U);
    EXPECT_TRUE(checkpoint.tensors.contains(kTower + "post_layernorm.bias"));
    EXPECT_TRUE(fs::equivalent(checkpoint.vision_folder, folder_ / name));
    EXPECT_EQ(checkpoint.files.size(), 2U);
  }
}

TEST_F(CheckpointFolder, TakesTheTowerOfAnAbsolutePath) {
  const test::TemporaryFolder clip;
  write_config(R"({"mm_vision_tower": ")" + clip.path().string() + "\"}");
  write_tensors(folder_ / "model.safetensors", {"model.norm.weight"});
  write_tensors(clip / "model.safetensors", {"vision_model.post_layernorm.bias"});
  write_file(clip / "config.json", "{}");
  EXPECT_EQ(open_checkpoint(folder_.path()).vision_folder, clip.path());
}

TEST_F(CheckpointFolder, PrefersTheTowerInTheShards) {
  write_config(R"({"mm_vision_tower": "vision_tower"})");
  write_tensors(folder_ / "model.safetensors",
                {"model.norm.weight", kTower + "post_layernorm.bias"});
  fs::create_directory(folder_ / "vision_tower");
  write_file(folder_ / "vision_tower/config.json", "{}");

  const Checkpoint checkpoint = open_checkpoint(folder_.path());

  EXPECT_EQ(checkpoint.files.size(), 1U);
  EXPECT_EQ(checkpoint.vision_folder, folder_ / "vision_tower");
}

TEST_F(CheckpointFolder, NamesAMissingTower) {
  write_config(R"({"mm_vision_tower": "openai/clip-vit-large-patch14-336"})");
  write_tensors(folder_ / "model.safetensors", {"model.norm.weight"});
  expect_refusal(ErrorCode::not_found, "openai/clip-vit-large-patch14-336");
}

TEST_F(CheckpointFolder, RefusesATowerFolderWithoutTower) {
  write_config(R"({"mm_vision_tower": "clip"})");
  write_tensors(folder_ / "model.safetensors", {"model.norm.weight"});
  write_tensors(folder_ / "clip/model.safetensors", {"text_model.embeddings.weight"});
  write_file(folder_ / "clip/config.json", "{}");
  expect_refusal(ErrorCode::invalid_model, "vision_model.");
}

TEST_F(CheckpointFolder, JoinsShards) {
  write_config("{}");
  write_tensors(folder_ / "model-1.safetensors", {"a", "not.listed"});
  write_tensors(folder_ / "model-2.safetensors", {"b"});
  write_file(folder_ / "model.safetensors.index.json",
             R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})");
  const Checkpoint checkpoint = open_checkpoint(folder_.path());
  EXPECT_EQ(checkpoint.tensors.size(), 2U);
  EXPECT_EQ(checkpoint.files.size(), 2U);
}

TEST_F(CheckpointFolder, NamesMissingShardsAndTensors) {
  write_config("{}");
  write_file(folder_ / "model.safetensors.index.json",
             R"({"weight_map": {"a": "model-1.safetensors"}})");
  expect_refusal(ErrorCode::not_found, "model-1.safetensors");
  write_tensors(folder_ / "model-1.safetensors", {"b"});
  expect_refusal(ErrorCode::invalid_model, "\"a\"");
}

TEST_F(CheckpointFolder, RefusesShardsOutsideTheFolder) {
  write_config("{}");
  for (const char* shard : {"../x", "/etc/passwd", "sub/x", "..", "", "a\\\\b"}) {
    write_file(folder_ / "model.safetensors.index.json",
               std::string(R"({"weight_map": {"a": ")") + shard + "\"}}");
    expect_refusal(ErrorCode::invalid_model, "same folder");
  }
}

TEST_F(CheckpointFolder, RefusesABrokenIndex) {
  write_config("{}");
  for (const char* index : {"", "[]", "{}", R"({"weight_map": 3})", R"({"weight_map": {}})",
                            R"({"weight_map": {"a": 1}})"}) {
    write_file(folder_ / "model.safetensors.index.json", index);
    expect_refusal(ErrorCode::invalid_model, "model.safetensors.index.json");
  }
}

TEST_F(CheckpointFolder, OpensThreeFoldersUnderTheNamesOfTheFlatLayout) {
  write_config(R"({"llm_cfg": {}, "resume_path": "/gone/since/long"})");
  for (const char* part : {"llm", "vision_tower", "mm_projector"}) {
    fs::create_directories(folder_ / part);
    write_file(folder_ / part / "config.json", "{}");
  }
  write_tensors(folder_ / "llm/model.safetensors", {"model.norm.weight"});
  write_tensors(folder_ / "vision_tower/model.safetensors", {"embeddings.class_embedding"});
  write_tensors(folder_ / "mm_projector/model.safetensors", {"layers.1.weight"});

  const Checkpoint checkpoint = open_checkpoint(folder_.path());

  EXPECT_TRUE(checkpoint.tensors.contains("model.norm.weight"));
  EXPECT_TRUE(checkpoint.tensors.contains(kTower + "embeddings.class_embedding"));
  EXPECT_TRUE(checkpoint.tensors.contains("model.mm_projector.1.weight"));
  EXPECT_EQ(checkpoint.vision_folder, folder_ / "vision_tower");
  EXPECT_EQ(checkpoint.files.size(), 3U);

  fs::remove_all(folder_ / "mm_projector");
  expect_refusal(ErrorCode::not_found, "\"mm_projector\"");
}

TEST_F(CheckpointFolder, OpensTheModelOfATrainingRun) {
  fs::create_directories(folder_ / "model");
  write_file(folder_ / "model/config.json", R"({"model_type": "llama"})");
  write_tensors(folder_ / "model/model.safetensors", {"model.norm.weight"});

  const Checkpoint checkpoint = open_checkpoint(folder_.path());

  EXPECT_EQ(checkpoint.folder, folder_ / "model");
  EXPECT_TRUE(checkpoint.tensors.contains("model.norm.weight"));
}

TEST_F(CheckpointFolder, SaysWhatIsMissing) {
  EXPECT_THROW(open_checkpoint(folder_ / "absent"), Error);
  expect_refusal(ErrorCode::not_found, "config.json");
  write_config("{}");
  expect_refusal(ErrorCode::not_found, "model.safetensors.index.json");
  write_file(folder_ / "pytorch_model.bin", "x");
  expect_refusal(ErrorCode::invalid_model, "pytorch_model.bin");
  write_config(R"({"mm_vision_tower": 7})");
  expect_refusal(ErrorCode::invalid_model, "mm_vision_tower");
  write_config("not json");
  expect_refusal(ErrorCode::invalid_model, "config.json");
}

class ReferenceCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(root_)) GTEST_SKIP() << "no ../shared/conformance beside the repository";
  }

  fs::path root_ = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference/vila-7b-tiny";
};

TEST_F(ReferenceCheckpoint, HoldsEveryTensorOfItsTwoShards) {
  const Checkpoint checkpoint = open_checkpoint(root_ / "checkpoint");
  EXPECT_EQ(checkpoint.tensors.size(), 25U + 80U);
  EXPECT_EQ(checkpoint.tensors.at("model.embed_tokens.weight").shape(), Shape({800, 48}));
  EXPECT_EQ(checkpoint.tensors.at(kTower + "embeddings.patch_embedding.weight").shape(),
            Shape({32, 3, 14, 14}));
  EXPECT_EQ(checkpoint.vision_folder.filename(), "vision_tower");
}

TEST_F(ReferenceCheckpoint, EmbeddedTowerEqualsTheClipFolder) {
  const Checkpoint flat = open_checkpoint(root_ / "checkpoint");
  const Checkpoint clip = open_checkpoint(root_ / "clip");
  EXPECT_EQ(clip.tensors.size(), 71U);
  EXPECT_EQ(clip.vision_folder, root_ / "clip");
  for (const auto& [name, tensor] : clip.tensors) {
    ASSERT_TRUE(flat.tensors.contains(name)) << name;
    EXPECT_EQ(compare(tensor, flat.tensors.at(name)).max_abs, 0) << name;
  }
}

TEST_F(ReferenceCheckpoint, BinShardsAndATowerBesideThemHoldTheSameNumbers) {
  const Checkpoint expected = open_checkpoint(root_ / "checkpoint");
  const Checkpoint checkpoint = open_checkpoint(root_ / "checkpoint-bin");
  EXPECT_EQ(checkpoint.files.size(), 4U);
  EXPECT_EQ(checkpoint.tensors.size(), expected.tensors.size());
  for (const auto& [name, tensor] : checkpoint.tensors) {
    ASSERT_TRUE(expected.tensors.contains(name)) << name;
    EXPECT_EQ(compare(tensor, expected.tensors.at(name)).max_abs, 0) << name;
  }
}

/// Names and values of two checkpoints are the same.
void expect_same(const Checkpoint& actual, const Checkpoint& expected, const std::string& what) {
  ASSERT_EQ(actual.tensors.size(), expected.tensors.size()) << what;
  for (const auto& [name, tensor] : expected.tensors) {
    ASSERT_TRUE(actual.tensors.contains(name)) << what << ": " << name;
    EXPECT_EQ(compare(actual.tensors.at(name), tensor).max_abs, 0) << what << ": " << name;
  }
  EXPECT_EQ(actual.vision_folder.empty(), expected.vision_folder.empty()) << what;
}

TEST(CheckpointFile, AVilaFileOpensAsTheFolderItWasMadeOf) {
  const fs::path reference = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference";
  if (!fs::exists(reference)) GTEST_SKIP() << reference << " is absent";
  const test::TemporaryFolder folder;
  for (const fs::directory_entry& entry : fs::directory_iterator(reference)) {
    if (!entry.is_directory()) continue;
    const fs::path file = folder / "m.vila";
    write_vila(file, open_package(entry.path() / "checkpoint"));
    fs::path small_files;
    {
      const Checkpoint checkpoint = open_checkpoint(file);
      expect_same(checkpoint, open_checkpoint(entry.path() / "checkpoint"),
                  entry.path().filename().string());
      EXPECT_EQ(checkpoint.files, std::vector{file});
      small_files = checkpoint.folder;
      EXPECT_TRUE(fs::exists(small_files / "config.json"));
    }
    EXPECT_FALSE(fs::exists(small_files)) << "removed with the checkpoint";
  }
}

TEST(CheckpointFile, QuantisedMatricesCountAsTheyRun) {
  const test::TemporaryFolder folder;
  ModelPackage package;
  package.files["config.json"] = "{}";
  package.parts[""].emplace("model.norm.weight", Tensor::zeros(DType::f32, {64}));
  package.quantised[""].emplace(
      "lm_head.weight", quantised(quantise_rows_8bit(Tensor::zeros(DType::f32, {32, 64}), 64)));
  write_vila(folder / "m.vila", package);
  const Checkpoint checkpoint = open_checkpoint(folder / "m.vila");
  EXPECT_TRUE(checkpoint.quantised.contains("lm_head.weight"));
  EXPECT_EQ(checkpoint.weight_bytes(), 64 * 4 + 2 * (16 * 64 + 64));
}

TEST(CheckpointFile, AFileOfWeightsStandsForTheCheckpointAroundIt) {
  const test::TemporaryFolder folder;
  folder.write("config.json", R"({"model_type": "llama"})");
  write_tensors(folder / "model.safetensors", {"model.norm.weight"});
  EXPECT_EQ(open_checkpoint(folder / "model.safetensors").folder, folder.path());
  folder.write("three/config.json", "{}");
  folder.write("three/llm/config.json", "{}");
  EXPECT_EQ(folder_of_weights(folder / "three/llm/x.pt"), folder / "three");
  test::expect_error(ErrorCode::not_found, "found nothing",
                     [&] { open_checkpoint(folder / "absent.vila"); });
}

TEST(SmallFiles, StayInsideTheirFolder) {
  const test::TemporaryFolder folder;
  write_small_files(folder.path(), {{"a/b.json", "x"}});
  EXPECT_EQ(read_file(folder / "a/b.json"), "x");
  for (const char* name : {"../x", "/etc/x", "a/../../x"}) {
    test::expect_error(ErrorCode::invalid_model, "inside the model's folder", [&] {
      write_small_files(folder.path(), {{name, "x"}});
    });
  }
}

TEST(SmallFiles, AreUnfoldedForAsLongAsTheFolderIsHeld) {
  const test::TemporaryFolder folder;
  write_vila(folder / "m.vila", {.parts = {}, .quantised = {}, .files = {{"llm/t.json", "{}"}}});
  fs::path place;
  {
    const ModelFolder unfolded = open_model_folder(folder / "m.vila");
    place = unfolded.path;
    EXPECT_EQ(read_file(place / "llm/t.json"), "{}");
  }
  EXPECT_FALSE(fs::exists(place));
  EXPECT_EQ(open_model_folder(folder.path()).path, folder.path());
}

}  // namespace
}  // namespace vila::formats
