// SPDX-License-Identifier: Apache-2.0
#include "formats/adapter.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "formats/checkpoint.h"
#include "formats/model_package.h"
#include "formats/safetensors.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/torch_program.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

Tensor filled(const Shape& shape, float value) {
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (float& element : tensor.values<float>())
    element = value;
  return tensor;
}

float first(const TensorMap& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? -1 : found->second.values<float>()[0];
}

const std::string kProjection = "model.layers.0.self_attn.q_proj";

/// A base in base/, a tower in clip/, and folders that build on them.
class Adapter : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("base/config.json", R"({"model_type": "llama"})");
    folder_.write("base/tokenizer.model", "words");
    write_safetensors(folder_ / "base/model.safetensors",
                      std::vector<NamedTensor>{{kProjection + ".weight", filled({8, 8}, 1)},
                                               {"model.embed_tokens.weight", filled({3, 8}, 5)},
                                               {"model.norm.weight", filled({8}, 1)}});
    folder_.write("clip/config.json", "{}");
    write_safetensors(folder_ / "clip/model.safetensors",
                      std::vector<NamedTensor>{{"vision_model.head.weight", filled({2}, 7)}});
  }

  /// A LoRA adapter (scale 2, A and B of ones: each weight grows by 2) that was trained with a
  /// tower.
  void write_lora() const {
    folder_.write("lora/adapter_config.json",
                  R"({"r": 1, "lora_alpha": 2, "base_model_name_or_path": "../base"})");
    folder_.write("lora/config.json",
                  R"({"model_type": "llava_llama", "mm_vision_tower": "../clip"})");
    const std::string module = "base_model.model." + kProjection;
    write_safetensors(folder_ / "lora/adapter_model.safetensors",
                      std::vector<NamedTensor>{{module + ".lora_A.weight", filled({1, 8}, 1)},
                                               {module + ".lora_B.weight", filled({8, 1}, 1)}});
    folder_.write("lora/non_lora_trainables.bin",
                  test::build_torch_file({"base_model.model.model.mm_projector.0.bias"}));
  }

  void write_projector() const {
    folder_.write("stage1/config.json",
                  R"({"mm_vision_tower": "../clip", "_name_or_path": "../base"})");
    folder_.write("stage1/mm_projector.bin", test::build_torch_file({"model.mm_projector.0.bias"}));
  }

  void write_delta(int64_t words) const {
    folder_.write("delta/config.json", "{}");
    write_safetensors(
        folder_ / "delta/model.safetensors",
        std::vector<NamedTensor>{{kProjection + ".weight", filled({8, 8}, 0.5F)},
                                 {"model.embed_tokens.weight", filled({words, 8}, 0.25F)},
                                 {"model.mm_projector.bias", filled({4}, 3)},
                                 {"model.norm.weight", filled({8}, 0.01F)}});
  }

  ModelSource delta_source() const {
    ModelSource source(folder_ / "delta");
    source.base = folder_ / "base";
    return source;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Adapter, OfLoraIsMergedWithItsTrainedPartsAndTower) {
  write_lora();

  const Checkpoint checkpoint = open_checkpoint(ModelSource(folder_ / "lora"));

  EXPECT_EQ(first(checkpoint.tensors, kProjection + ".weight"), 3.0F);
  EXPECT_TRUE(checkpoint.tensors.contains("model.mm_projector.0.bias"));
  EXPECT_EQ(first(checkpoint.tensors, "model.vision_tower.vision_tower.vision_model.head.weight"),
            7.0F);
  EXPECT_EQ(checkpoint.folder, folder_ / "lora");
  EXPECT_EQ(checkpoint.vision_folder, folder_ / "clip");
  EXPECT_EQ(checkpoint.tokenizer_folder, folder_ / "base");
}

TEST_F(Adapter, WithoutAConfigHasThatOfItsBase) {
  write_lora();
  fs::remove(folder_ / "lora/config.json");

  const Checkpoint checkpoint = open_checkpoint(ModelSource(folder_ / "lora"));

  EXPECT_EQ(checkpoint.folder, folder_ / "base");
  EXPECT_TRUE(checkpoint.vision_folder.empty());
}

TEST_F(Adapter, GoesOntoTheBaseThatIsGiven) {
  write_lora();
  fs::rename(folder_ / "base", folder_ / "moved");
  expect_error(ErrorCode::not_found, "--base",
               [&] { open_checkpoint(ModelSource(folder_ / "lora")); });

  ModelSource source(folder_ / "lora");
  source.base = folder_ / "moved";
  EXPECT_EQ(first(open_checkpoint(source).tensors, kProjection + ".weight"), 3.0F);
}

TEST_F(Adapter, NamesTheModelToPullWhenItsBaseIsOfTheHub) {
  write_lora();
  folder_.write("lora/adapter_config.json",
                R"({"r": 1, "base_model_name_or_path": "lmsys/vicuna-7b-v1.5"})");

  expect_error(ErrorCode::not_found, "vila pull lmsys/vicuna-7b-v1.5",
               [&] { open_checkpoint(ModelSource(folder_ / "lora")); });
}

TEST_F(Adapter, OfAProjectorAddsItToTheLanguageModel) {
  write_projector();

  const Checkpoint checkpoint = open_checkpoint(ModelSource(folder_ / "stage1"));

  EXPECT_EQ(first(checkpoint.tensors, kProjection + ".weight"), 1.0F);
  EXPECT_TRUE(checkpoint.tensors.contains("model.mm_projector.0.bias"));
  EXPECT_EQ(checkpoint.tokenizer_folder, folder_ / "base");
  EXPECT_EQ(checkpoint.folder, folder_ / "stage1");
}

TEST_F(Adapter, IsPackedAsTheModelThatItMakes) {
  write_lora();

  const ModelPackage package = open_package(ModelSource(folder_ / "lora"));

  EXPECT_EQ(first(package.parts.at(""), kProjection + ".weight"), 3.0F);
  EXPECT_TRUE(package.parts.at("").contains("model.mm_projector.0.bias"));
  EXPECT_TRUE(package.parts.contains("vision_tower"));
  EXPECT_EQ(package.files.at("tokenizer.model"), "words");
  EXPECT_NE(package.files.at("config.json").find(R"("vision_tower")"), std::string::npos);
  EXPECT_FALSE(package.files.contains("adapter_config.json"));

  write_folder(folder_ / "out", package);
  const Checkpoint merged = open_checkpoint(ModelSource(folder_ / "out"));
  EXPECT_EQ(first(merged.tensors, kProjection + ".weight"), 3.0F);
}

TEST_F(Adapter, OfDifferencesIsTheSumWithItsBase) {
  write_delta(3);

  const Checkpoint checkpoint = open_checkpoint(delta_source());

  EXPECT_EQ(first(checkpoint.tensors, kProjection + ".weight"), 1.5F);
  EXPECT_EQ(first(checkpoint.tensors, "model.mm_projector.bias"), 3.0F);
  EXPECT_EQ(first(open_package(delta_source()).parts.at(""), kProjection + ".weight"), 1.5F);
}

TEST_F(Adapter, OfDifferencesMayHaveWordsThatTheBaseLacks) {
  write_delta(5);

  const Checkpoint checkpoint = open_checkpoint(delta_source());

  const auto rows = checkpoint.tensors.at("model.embed_tokens.weight").values<float>();
  EXPECT_EQ(rows[0], 5.25F);
  EXPECT_EQ(rows[4 * 8], 0.25F);
}

TEST_F(Adapter, OfDifferencesIsRefusedOntoAnotherShape) {
  write_delta(2);

  expect_error(ErrorCode::invalid_model, "model.embed_tokens.weight",
               [&] { open_checkpoint(delta_source()); });
}

TEST_F(Adapter, OfDifferencesIsNotTakenForAModel) {
  write_delta(3);

  expect_error(ErrorCode::invalid_model, "delta checkpoint",
               [&] { open_checkpoint(ModelSource(folder_ / "delta")); });
}

TEST_F(Adapter, IsRefusedWhenItsTrainedPartsAreOfAnotherShape) {
  write_lora();
  folder_.write("lora/non_lora_trainables.bin",
                test::build_torch_file({"base_model.model.model.embed_tokens.weight"}));

  expect_error(ErrorCode::invalid_model, "model.embed_tokens.weight",
               [&] { open_checkpoint(ModelSource(folder_ / "lora")); });
}

TEST_F(Adapter, WhoseBasesNameOneAnotherIsRefused) {
  folder_.write("a/adapter_config.json", R"({"r": 1, "base_model_name_or_path": "../b"})");
  folder_.write("a/config.json", "{}");
  folder_.write("b/adapter_config.json", R"({"r": 1, "base_model_name_or_path": "../a"})");
  folder_.write("b/config.json", "{}");

  expect_error(ErrorCode::invalid_model, "bases in a row",
               [&] { open_checkpoint(ModelSource(folder_ / "a")); });
}

TEST_F(Adapter, ThatNamesItselfAsItsBaseIsRefused) {
  write_lora();
  folder_.write("lora/adapter_config.json", R"({"r": 1, "base_model_name_or_path": "."})");

  expect_error(ErrorCode::not_found, "--base",
               [&] { open_checkpoint(ModelSource(folder_ / "lora")); });
}

}  // namespace
}  // namespace vila::formats
