// SPDX-License-Identifier: Apache-2.0
#include "formats/model_package.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "formats/vila_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

const fs::path kConformance = fs::path(VILA_SOURCE_DIR) / "../shared/conformance";

void expect_same_tensors(const TensorMap& actual, const TensorMap& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    EXPECT_EQ(compare(actual.at(name), tensor).max_abs, 0) << name;
  }
}

/// What stands in a folder, sorted.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

ModelPackage small_package() {
  ModelPackage package;
  Tensor weight = Tensor::empty(DType::f32, {2, 3});
  for (int64_t i = 0; i < 6; ++i)
    weight.data<float>()[i] = 0.5F * static_cast<float>(i);
  package.parts["llm"].emplace("w", weight);
  package.parts["llm"].emplace("ids", Tensor::zeros(DType::i64, {4}));
  package.parts["vision_tower"].emplace("v", weight.to(DType::bf16));
  package.files = {{"config.json", "{}"}, {"llm/config.json", "{}"}, {"llm/words", "a\0b"}};
  return package;
}

class ModelPackageTest : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
};

TEST_F(ModelPackageTest, AFolderKeepsPartsFilesAndValues) {
  const ModelPackage package = small_package();
  write_folder(folder_ / "out", package);
  const ModelPackage back = open_package(folder_ / "out");
  EXPECT_EQ(back.files.at("llm/words"), package.files.at("llm/words"));
  EXPECT_EQ(back.files.size(), 3U) << "vision_tower without a config is no part";
  expect_same_tensors(back.parts.at("llm"), package.parts.at("llm"));
}

TEST_F(ModelPackageTest, TakesATowerThatStandsElsewhereAlong) {
  folder_.write("model/config.json", R"({"mm_vision_tower": "../clip"})");
  folder_.write("clip/config.json", "{}");
  const std::vector<NamedTensor> rows = {{"t", Tensor::zeros(DType::f32, {2})}};
  write_safetensors(folder_ / "model/model.safetensors", rows);
  write_safetensors(folder_ / "clip/model.safetensors", rows);
  const ModelPackage package = open_package(folder_ / "model");
  EXPECT_TRUE(package.parts.at("vision_tower").contains("t"));
  const Json config = parse_json(package.files.at("config.json"), "x");
  EXPECT_EQ(config.at("mm_vision_tower"), "vision_tower");
}

TEST_F(ModelPackageTest, NothingIsLeftOfAWriteThatFails) {
  ModelPackage package = small_package();
  package.files["../escape"] = "x";
  test::expect_error(ErrorCode::invalid_model, "escape",
                     [&] { write_folder(folder_ / "out", package); });
  EXPECT_TRUE(names_in(folder_.path()).empty());
  package = small_package();
  test::expect_error(ErrorCode::invalid_model, "mlp2x_gelu",
                     [&] { write_gguf_package({.text = folder_ / "out.gguf"}, package); });
  package.parts.erase("vision_tower");
  EXPECT_THROW(write_gguf_package({.text = folder_ / "out.gguf"}, package), Error);
  EXPECT_TRUE(names_in(folder_.path()).empty());
}

TEST_F(ModelPackageTest, OverwritesNoFolder) {
  folder_.write("out/mine", "x");
  test::expect_error(ErrorCode::invalid_argument, "remove it",
                     [&] { write_folder(folder_ / "out", small_package()); });
  EXPECT_EQ(names_in(folder_ / "out"), std::vector<std::string>{"mine"});
}

TEST_F(ModelPackageTest, ConvertsFloatsAloneAndRefusesOverflow) {
  ModelPackage package = small_package();
  convert_package(package, DType::f16);
  EXPECT_EQ(package.parts["llm"].at("w").dtype(), DType::f16);
  EXPECT_EQ(package.parts["llm"].at("ids").dtype(), DType::i64);
  package.parts["llm"].emplace("big", Tensor::zeros(DType::f32, {1}));
  package.parts["llm"].at("big").data<float>()[0] = 70000;
  test::expect_error(ErrorCode::invalid_model, "\"big\"",
                     [&] { convert_package(package, DType::f16); });
}

TEST_F(ModelPackageTest, SaysThatAFolderHasNoWeights) {
  folder_.write("empty/config.json", "{}");
  test::expect_error(ErrorCode::not_found, "expected weights",
                     [&] { open_package(folder_ / "empty"); });
}

TEST_F(ModelPackageTest, SafetensorsToVilaToGgufToSafetensorsKeepsEveryValue) {
  const fs::path source = kConformance / "awq/search/model";
  if (!fs::exists(source)) GTEST_SKIP() << source << " is absent";
  const ModelPackage package = open_package(source);
  write_vila(folder_ / "m.vila", package);
  write_gguf_package({.text = folder_ / "m.gguf"}, open_package(folder_ / "m.vila"));
  write_folder(folder_ / "m", open_package(folder_ / "m.gguf"));
  const ModelPackage back = open_package(folder_ / "m");
  expect_same_tensors(back.parts.at(""), package.parts.at(""));
  const Json before = parse_json(package.files.at("config.json"), "x");
  const Json after = parse_json(back.files.at("config.json"), "x");
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "intermediate_size", "rms_norm_eps", "rope_theta",
                          "vocab_size", "tie_word_embeddings", "max_position_embeddings"}) {
    EXPECT_EQ(before.at(key), after.at(key)) << key;
  }
}

TEST_F(ModelPackageTest, OpensEveryPublishedLayout) {
  const fs::path reference = kConformance / "reference";
  if (!fs::exists(reference)) GTEST_SKIP() << reference << " is absent";
  for (const fs::directory_entry& entry : fs::directory_iterator(reference)) {
    if (!entry.is_directory()) continue;
    const ModelPackage package = open_package(entry.path() / "checkpoint");
    const std::string name = entry.path().filename().string();
    write_vila(folder_ / (name + ".vila"), package);
    const ModelPackage back = read_vila(folder_ / (name + ".vila"));
    EXPECT_EQ(back.files, package.files) << name;
    ASSERT_EQ(back.parts.size(), package.parts.size()) << name;
    for (const auto& [part, tensors] : package.parts)
      expect_same_tensors(back.parts.at(part), tensors);
  }
  EXPECT_TRUE(open_package(reference / "nvila-tiny/checkpoint").parts.contains("mm_projector"));
}

}  // namespace
}  // namespace vila::formats
