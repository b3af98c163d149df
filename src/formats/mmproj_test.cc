// SPDX-License-Identifier: Apache-2.0
#include "formats/mmproj.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

constexpr int64_t kWidth = 8;   // of the tower
constexpr int64_t kInner = 12;  // of its MLP
constexpr int64_t kText = 6;    // of the language model
constexpr int64_t kBlocks = 3;
constexpr const char* kFlatTower = "model.vision_tower.vision_tower.";

/// Values that differ from tensor to tensor and are exact in 16 bits.
Tensor numbered(const Shape& shape, DType dtype, int64_t start) {
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = static_cast<float>((start + i) % 128);
  return tensor.to(dtype);
}

/// Shapes of a CLIP tower ("vision_model.…") of images of 4 x 4 in patches of 2.
std::map<std::string, Shape> tower_shapes() {
  std::map<std::string, Shape> shapes = {
      {"vision_model.embeddings.class_embedding", {kWidth}},
      {"vision_model.embeddings.patch_embedding.weight", {kWidth, 3, 2, 2}},
      {"vision_model.embeddings.position_embedding.weight", {5, kWidth}},
      {"vision_model.pre_layrnorm.weight", {kWidth}},
      {"vision_model.pre_layrnorm.bias", {kWidth}}};
  for (int64_t block = 0; block < kBlocks; ++block) {
    const std::string place = fmt::format("vision_model.encoder.layers.{}.", block);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      shapes.emplace(fmt::format("{}self_attn.{}.weight", place, name), Shape{kWidth, kWidth});
      shapes.emplace(fmt::format("{}self_attn.{}.bias", place, name), Shape{kWidth});
    }
    for (const char* name : {"layer_norm1", "layer_norm2"}) {
      shapes.emplace(fmt::format("{}{}.weight", place, name), Shape{kWidth});
      shapes.emplace(fmt::format("{}{}.bias", place, name), Shape{kWidth});
    }
    shapes.emplace(place + "mlp.fc1.weight", Shape{kInner, kWidth});
    shapes.emplace(place + "mlp.fc1.bias", Shape{kInner});
    shapes.emplace(place + "mlp.fc2.weight", Shape{kWidth, kInner});
    shapes.emplace(place + "mlp.fc2.bias", Shape{kWidth});
  }
  return shapes;
}

std::map<std::string, Shape> projector_shapes() {
  return {{"model.mm_projector.0.weight", {kText, kWidth}},
          {"model.mm_projector.0.bias", {kText}},
          {"model.mm_projector.2.weight", {kText, kText}},
          {"model.mm_projector.2.bias", {kText}}};
}

Json root_config() {
  return {{"model_type", "llava_llama"},
          {"hidden_size", kText},
          {"mm_vision_tower", "vision_tower"},
          {"mm_projector_type", "mlp2x_gelu"},
          {"mm_hidden_size", kWidth},
          {"mm_vision_select_layer", -2},
          {"mm_vision_select_feature", "patch"},
          {"image_aspect_ratio", "pad"}};
}

Json tower_config() {
  return {{"model_type", "clip_vision_model"},
          {"image_size", 4},
          {"patch_size", 2},
          {"hidden_size", kWidth},
          {"intermediate_size", kInner},
          {"num_hidden_layers", kBlocks},
          {"num_attention_heads", 2},
          {"layer_norm_eps", 1e-5},
          {"hidden_act", "quick_gelu"}};
}

/// A model of the flat layout, its tower among the weights.
ModelPackage seeing_package(DType dtype) {
  ModelPackage package;
  int64_t start = 0;
  for (const auto& [name, shape] : tower_shapes())
    package.parts[""].emplace(kFlatTower + name, numbered(shape, dtype, start++));
  for (const auto& [name, shape] : projector_shapes())
    package.parts[""].emplace(name, numbered(shape, dtype, start++));
  package.files["config.json"] = root_config().dump();
  package.files["vision_tower/config.json"] = tower_config().dump();
  package.files["vision_tower/preprocessor_config.json"] =
      R"({"size": 4, "crop_size": 4, "image_mean": [0.5, 0.25, 0.125], "image_std": [1, 2, 4]})";
  return package;
}

/// A text model that waits for its eyes.
ModelPackage text_package(int64_t width = kText) {
  ModelPackage package;
  package.files["config.json"] = Json{{"model_type", "llama"}, {"hidden_size", width}}.dump();
  package.parts[""];
  return package;
}

class Mmproj : public testing::Test {
 protected:
  GgufFile exported(const ModelPackage& package) {
    export_mmproj(path_, package);
    return read_gguf(path_);
  }

  /// The exported file with one value of its metadata and, maybe, names of tensors changed.
  GgufFile changed(const char* key, const GgufValue& value,
                   const std::map<std::string, std::string>& names = {}) {
    const GgufFile good = exported(seeing_package(DType::f32));
    GgufMetadata metadata = good.metadata;
    metadata[key] = value;
    std::vector<GgufRow> rows;
    for (const auto& [name, stored] : good.tensors)
      rows.push_back({names.contains(name) ? names.at(name) : name, gguf_tensor(good, name)});
    const auto path = folder_ / "changed.gguf";
    write_gguf(path, metadata, rows);
    return read_gguf(path);
  }

  void refuse(const GgufFile& file, const std::string& part) {
    ModelPackage package = text_package();
    test::expect_error(ErrorCode::invalid_model, part, [&] { attach_mmproj(file, package); });
  }

  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "mmproj-m.gguf";
};

TEST_F(Mmproj, ARoundTripKeepsEveryValueAndHowTheTowerIsUsed) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const ModelPackage before = seeing_package(dtype);
    ModelPackage after = text_package();
    attach_mmproj(exported(before), after);
    for (const auto& [name, tensor] : before.parts.at("")) {
      const bool is_tower = name.starts_with(kFlatTower);
      const auto& part = after.parts.at(is_tower ? "vision_tower" : "");
      const std::string stored = is_tower ? name.substr(std::string(kFlatTower).size()) : name;
      ASSERT_TRUE(part.contains(stored)) << stored;
      EXPECT_EQ(compare(part.at(stored), tensor).max_abs, 0) << stored;
      EXPECT_EQ(part.at(stored).shape(), tensor.shape()) << stored;
    }
    const Json root = parse_json(after.files.at("config.json"), "x");
    Json expected = root_config();
    expected["model_type"] = "llama";
    expected["mm_vision_select_layer"] = kBlocks - 1;  // -2 counted from the front
    EXPECT_EQ(root, expected);
    EXPECT_EQ(parse_json(after.files.at("vision_tower/config.json"), "x"), tower_config());
    const Json processor = parse_json(after.files.at("vision_tower/preprocessor_config.json"), "x");
    EXPECT_EQ(processor.at("image_mean"), (Json{0.5, 0.25, 0.125}));
    EXPECT_EQ(processor.at("image_std"), (Json{1, 2, 4}));
    EXPECT_EQ(processor.at("crop_size"), 4);
  }
}

TEST_F(Mmproj, NamesAndTypesAreThoseThatLlamaCppReads) {
  ModelPackage package = seeing_package(DType::bf16);
  package.parts[""].emplace(std::string(kFlatTower) + "vision_model.post_layernorm.weight",
                            numbered({kWidth}, DType::bf16, 0));
  const GgufFile file = exported(package);
  EXPECT_EQ(file.tensors.at("v.class_embd").type, GgmlType::f32);
  EXPECT_EQ(file.tensors.at("v.patch_embd.weight").type, GgmlType::f32);
  EXPECT_EQ(file.tensors.at("v.position_embd.weight").type, GgmlType::f32);
  EXPECT_EQ(file.tensors.at("v.blk.2.attn_out.weight").type, GgmlType::bf16);
  EXPECT_EQ(file.tensors.at("v.blk.0.ffn_up.weight").shape, (Shape{kInner, kWidth}));
  EXPECT_EQ(file.tensors.at("v.blk.0.ffn_down.weight").shape, (Shape{kWidth, kInner}));
  EXPECT_FALSE(file.tensors.contains("v.post_ln.weight")) << "llama.cpp would apply it";
  EXPECT_EQ(gguf_require<std::string>(file, "clip.projector_type"), "mlp");
  EXPECT_EQ(gguf_require<int64_t>(file, "clip.vision.block_count"), kBlocks);
  EXPECT_EQ(gguf_require<std::vector<int64_t>>(file, "clip.vision.feature_layer"),
            (std::vector<int64_t>{kBlocks - 1}));
  EXPECT_FALSE(gguf_require<bool>(file, "clip.use_gelu"));
}

TEST_F(Mmproj, TakesTheTowerFromAFolderOfItsOwnAndLeavesClipsTextSide) {
  ModelPackage package = seeing_package(DType::f16);
  TensorMap& flat = package.parts[""];
  for (const auto& [name, shape] : tower_shapes()) {
    package.parts["clip"].emplace(name, flat.at(kFlatTower + name));
    flat.erase(kFlatTower + name);
  }
  package.parts["clip"].emplace("text_model.final_layer_norm.weight", numbered({4}, DType::f16, 0));
  Json root = root_config();
  root["mm_vision_tower"] = "clip";
  package.files["config.json"] = root.dump();
  package.files["clip/config.json"] = Json{{"vision_config", tower_config()}}.dump();
  const GgufFile file = exported(package);
  EXPECT_EQ(file.tensors.size(), tower_shapes().size() + projector_shapes().size());
  EXPECT_EQ(gguf_require<std::vector<double>>(file, "clip.vision.image_mean")[0],
            static_cast<double>(0.48145466F))
      << "CLIP's where the processor is silent";
}

/// The shipped model through the files that a person would use.
TEST_F(Mmproj, AWholeModelComesBackFromItsTwoFiles) {
  const std::filesystem::path nano = std::filesystem::path(VILA_SOURCE_DIR) / "models/nano";
  const std::filesystem::path text = folder_ / "nano.gguf";
  write_gguf_package({.text = text}, open_package(nano));
  ASSERT_TRUE(std::filesystem::exists(folder_ / "mmproj-nano.gguf"));
  const Checkpoint before = open_checkpoint(nano);
  const Checkpoint after = open_checkpoint(text);
  for (const auto& [name, tensor] : before.tensors) {
    if (name.find("post_layernorm") != name.npos) continue;  // no VILA applies it
    ASSERT_TRUE(after.tensors.contains(name)) << name;
    EXPECT_EQ(compare(after.tensors.at(name), tensor).max_abs, 0) << name;
    EXPECT_EQ(after.tensors.at(name).shape(), tensor.shape()) << name;
  }
  const Json config = read_json_file(after.folder / "config.json", ErrorCode::invalid_model);
  const Json expected = read_json_file(nano / "config.json", ErrorCode::invalid_model);
  for (const char* key : {"hidden_size", "head_dim", "num_hidden_layers", "mm_hidden_size",
                          "mm_projector_type", "mm_vision_select_feature", "image_aspect_ratio",
                          "rope_theta", "vocab_size", "max_position_embeddings"}) {
    EXPECT_EQ(config.at(key), expected.at(key)) << key;
  }
  EXPECT_EQ(config.at("mm_vision_select_layer"), 6) << "-2 of 7 blocks";
}

TEST_F(Mmproj, AnotherFileCanBeNamedForTheEyes) {
  const std::filesystem::path nano = std::filesystem::path(VILA_SOURCE_DIR) / "models/nano";
  const std::filesystem::path text = folder_ / "nano.gguf";
  write_gguf_package({.text = text, .mmproj = folder_ / "eyes.gguf", .blocks = GgmlType::q8_0},
                     open_package(nano));
  const std::string tower = std::string(kFlatTower) + "vision_model.embeddings.class_embedding";
  EXPECT_FALSE(open_checkpoint(text).tensors.contains(tower)) << "blind: no mmproj in its name";
  ModelSource source(text);
  source.mmproj = folder_ / "eyes.gguf";
  const Checkpoint seeing = open_checkpoint(source);
  EXPECT_TRUE(seeing.tensors.contains(tower));
  EXPECT_EQ(seeing.quantised.at("model.layers.0.mlp.up_proj.weight").bits, 8);
  source.folder = nano;
  test::expect_error(ErrorCode::invalid_argument, "mmproj", [&] { open_package(source); });
}

TEST_F(Mmproj, WithoutAFeatureLayerAllStoredBlocksRun) {
  const GgufFile good = exported(seeing_package(DType::f32));
  GgufMetadata metadata = good.metadata;
  metadata.erase("clip.vision.feature_layer");
  std::vector<GgufRow> rows;
  for (const auto& [name, stored] : good.tensors)
    rows.push_back({name, gguf_tensor(good, name)});
  write_gguf(folder_ / "old.gguf", metadata, rows);
  ModelPackage package = text_package();
  attach_mmproj(read_gguf(folder_ / "old.gguf"), package);
  EXPECT_EQ(parse_json(package.files.at("config.json"), "x").at("mm_vision_select_layer"), kBlocks);
}

TEST_F(Mmproj, TakesSwappedMatricesByTheirShapes) {
  std::map<std::string, std::string> names;
  for (int64_t block = 0; block < kBlocks; ++block) {
    for (const char* suffix : {"weight", "bias"}) {
      const std::string up = fmt::format("v.blk.{}.ffn_up.{}", block, suffix);
      const std::string down = fmt::format("v.blk.{}.ffn_down.{}", block, suffix);
      names[up] = down;
      names[down] = up;
    }
  }
  ModelPackage package = text_package();
  attach_mmproj(changed("general.name", std::string("old"), names), package);
  const TensorMap& tower = package.parts.at("vision_tower");
  EXPECT_EQ(tower.at("vision_model.encoder.layers.1.mlp.fc1.weight").shape(),
            (Shape{kInner, kWidth}));
  EXPECT_EQ(tower.at("vision_model.encoder.layers.1.mlp.fc2.bias").shape(), (Shape{kWidth}));
}

TEST_F(Mmproj, RefusesOtherKindsByName) {
  refuse(changed("general.architecture", std::string("llama")), "expected an mmproj");
  refuse(changed("clip.projector_type", std::string("ldpv2")), "ldpv2");
  refuse(changed("clip.vision.mm_patch_merge_type", std::string("spatial_unpad")), "spatial_unpad");
  refuse(changed("clip.has_vision_encoder", false), "has_vision_encoder");
  refuse(changed("clip.vision.feature_layer", std::vector<int64_t>{1, 2}), "feature_layer");
  refuse(changed("clip.vision.feature_layer", std::vector<int64_t>{9}), "0 to 3");
  refuse(changed("clip.vision.block_count", int64_t{2'000'000'000}), "as many blocks as tensors");
  refuse(changed("general.name", std::string("x"), {{"mm.0.bias", "mm.model.mlp.0.bias"}}),
         "mm.model.mlp.0.bias");
  refuse(changed("general.name", std::string("x"), {{"mm.2.weight", "mm.3.weight"}}),
         "mm.2.weight");
  ModelPackage other = text_package(kText + 1);
  const GgufFile good = exported(seeing_package(DType::f32));
  test::expect_error(ErrorCode::invalid_model, "another model",
                     [&] { attach_mmproj(good, other); });
}

TEST_F(Mmproj, IsFoundBesideItsModelWhereThatIsClear) {
  const auto text = [&](const std::string& name, int64_t width) {
    write_gguf(folder_ / name,
               {{"general.architecture", std::string("llama")}, {"llama.embedding_length", width}},
               {});
    return read_gguf(folder_ / name);
  };
  const GgufFile model = text("m.gguf", kText);
  EXPECT_FALSE(find_mmproj(model)) << "none there";
  export_mmproj(folder_ / "model-mmproj-f16.gguf", seeing_package(DType::f16));
  EXPECT_EQ(find_mmproj(model), folder_ / "model-mmproj-f16.gguf");
  EXPECT_FALSE(find_mmproj(text("wide.gguf", kText + 1))) << "of a model of another width";
  export_mmproj(folder_ / "mmproj-b.gguf", seeing_package(DType::f16));
  EXPECT_FALSE(find_mmproj(model)) << "two";
  export_mmproj(default_mmproj(folder_ / "m.gguf"), seeing_package(DType::f16));
  EXPECT_EQ(find_mmproj(model), folder_ / "mmproj-m.gguf") << "its own name goes first";
}

TEST_F(Mmproj, IsNotWrittenOfWhatLlamaCppWouldComputeOtherwise) {
  const auto refuse_root = [&](const char* key, const Json& value, const std::string& part) {
    ModelPackage package = seeing_package(DType::f32);
    Json root = root_config();
    root[key] = value;
    package.files["config.json"] = root.dump();
    test::expect_error(ErrorCode::invalid_model, part, [&] { export_mmproj(path_, package); });
  };
  refuse_root("mm_projector_type", "mlp_downsample", "mlp_downsample");
  refuse_root("mm_projector_type", "linear", "linear");  // llama.cpp puts a GELU behind it
  refuse_root("image_aspect_ratio", "dynamic", "dynamic");
  refuse_root("s2", true, "S2");
  refuse_root("mm_vision_select_feature", "cls_patch", "cls_patch");
  ModelPackage package = seeing_package(DType::f32);
  Json tower = tower_config();
  tower["model_type"] = "intern_vit_6b";
  package.files["vision_tower/config.json"] = tower.dump();
  test::expect_error(ErrorCode::invalid_model, "intern_vit_6b",
                     [&] { export_mmproj(path_, package); });
  package = seeing_package(DType::f32);
  package.parts[""].emplace("model.mm_projector.4.weight", numbered({1}, DType::f32, 0));
  test::expect_error(ErrorCode::invalid_model, "mm_projector.4",
                     [&] { export_mmproj(path_, package); });
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace vila::formats
