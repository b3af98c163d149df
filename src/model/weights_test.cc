// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/tiny_checkpoint.h"

namespace vila::model {
namespace {

formats::Checkpoint tiny_checkpoint() {
  formats::Checkpoint checkpoint;
  checkpoint.folder = "tiny";
  for (const formats::NamedTensor& item :
       test::random_parameters({.config = test::tiny_config()})) {
    checkpoint.tensors.emplace(item.name, item.tensor);
  }
  return checkpoint;
}

Weights bind(const formats::Checkpoint& checkpoint) {
  ThreadPool pool(2);
  return Weights::bind(checkpoint, test::tiny_config(), pool);
}

std::string bind_error(const formats::Checkpoint& checkpoint) {
  try {
    bind(checkpoint);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_model);
    return error.message();
  }
  return "no error";
}

TEST(Weights, DescendByNameAndNumber) {
  const formats::Checkpoint checkpoint = tiny_checkpoint();
  const Weights root = bind(checkpoint);
  const Weights layer = root / "model" / "layers" / 1;
  EXPECT_EQ((layer / "self_attn" / "q_proj").tensor("weight").shape(), (Shape{48, 48}));
  EXPECT_TRUE((layer / "self_attn" / "q_proj").has("weight"));
  EXPECT_FALSE((layer / "self_attn" / "q_proj").has("bias"));
  EXPECT_THROW((layer / "self_attn").tensor("weight"), Bug);
}

TEST(Weights, ShareTheCheckpointsMemory) {
  const formats::Checkpoint checkpoint = tiny_checkpoint();
  const Weights root = bind(checkpoint);
  EXPECT_EQ((root / "model" / "norm").tensor("weight").raw(),
            checkpoint.tensors.at("model.norm.weight").raw());
  EXPECT_NE((root / "model" / "norm").vector("weight").raw(),
            checkpoint.tensors.at("model.norm.weight").raw());
}

TEST(Weights, CountTheBytesOfAllTensors) {
  const formats::Checkpoint checkpoint = tiny_checkpoint();
  size_t bytes = 0;
  for (const auto& [name, tensor] : checkpoint.tensors)
    bytes += tensor.nbytes();
  EXPECT_EQ(bind(checkpoint).bytes(), static_cast<int64_t>(bytes));
}

/// The tiny checkpoint with one matrix in 8 bits and one in 4.
formats::Checkpoint quantised_checkpoint() {
  formats::Checkpoint checkpoint = tiny_checkpoint();
  const auto replace = [&](const std::string& name, const PackedMatrix& matrix) {
    checkpoint.tensors.erase(name);
    checkpoint.quantised.emplace(name, formats::quantised(matrix));
  };
  const std::string embeddings = "model.embed_tokens.weight";
  replace(embeddings, quantise_rows_8bit(checkpoint.tensors.at(embeddings), 48));
  Q4Matrix codes = Q4Matrix::zeros(48, 48, 16);
  codes.set_code(17, 3, 9);
  codes.scales.values<float>()[17 * 3] = 0.5F;
  replace("model.layers.1.self_attn.q_proj.weight", pack(codes));
  return checkpoint;
}

TEST(Weights, PackWhatIsQuantisedAndCountItsBytes) {
  const formats::Checkpoint checkpoint = quantised_checkpoint();
  const Weights root = bind(checkpoint);
  const Weights place = root / "model" / "layers" / 1 / "self_attn" / "q_proj";
  const auto matrix = std::get<PackedMatrix>(place.matrix("weight"));
  EXPECT_EQ(matrix.bits, 4);
  EXPECT_EQ(place.tensor("weight").values<float>()[17 * 48 + 3], 4.5F) << "in floats";
  EXPECT_EQ(root.bytes(), checkpoint.weight_bytes());
  EXPECT_LT(root.bytes(), bind(tiny_checkpoint()).bytes());
  EXPECT_TRUE(extra_tensors(checkpoint, test::tiny_config()).empty());
}

TEST(Weights, RefuseAQuantisedMatrixOfAnotherShape) {
  formats::Checkpoint checkpoint = quantised_checkpoint();
  checkpoint.quantised.at("model.layers.1.self_attn.q_proj.weight").out = 64;
  const std::string message = bind_error(checkpoint);
  EXPECT_NE(message.find("q_proj.weight: expected [48, 48], found [64, 48] in 4 bits by 16"),
            std::string::npos)
      << message;
}

TEST(Weights, TakeRowsOfEitherForm) {
  const Weights root = bind(quantised_checkpoint());
  const Weights table = root / "model" / "embed_tokens";
  const Tensor all = table.tensor("weight");
  const Matrix part = rows(table.matrix("weight"), 16, 41);
  const Tensor numbers = dequantise(std::get<PackedMatrix>(part));
  EXPECT_EQ(numbers.shape(), Shape({25, 48}));
  EXPECT_EQ(numbers.values<float>()[24 * 48 + 5], all.values<float>()[40 * 48 + 5]);
  EXPECT_THROW(rows(table.matrix("weight"), 8, 16), Bug);
  EXPECT_EQ(std::get<Tensor>(rows(all, 8, 16)).shape(), Shape({8, 48}));
}

TEST(Weights, ListAllFaultsInOneError) {
  formats::Checkpoint checkpoint = tiny_checkpoint();
  checkpoint.tensors.erase("model.norm.weight");
  checkpoint.tensors.erase("model.mm_projector.2.bias");
  checkpoint.tensors.at("lm_head.weight") = Tensor::zeros(DType::f32, {384, 40});
  checkpoint.tensors.at("model.layers.0.mlp.up_proj.weight") = Tensor::zeros(DType::i8, {112, 48});

  const std::string message = bind_error(checkpoint);

  EXPECT_NE(message.find("tiny: 4 tensors"), std::string::npos) << message;
  EXPECT_NE(message.find("model.norm.weight: missing, expected [48]"), std::string::npos);
  EXPECT_NE(message.find("model.mm_projector.2.bias: missing, expected [48]"), std::string::npos);
  EXPECT_NE(message.find("lm_head.weight: expected [384, 48], found [384, 40] f32"),
            std::string::npos);
  EXPECT_NE(message.find("up_proj.weight: expected f32, f16 or bf16, found [112, 48] i8"),
            std::string::npos);
}

TEST(Weights, DoNotNeedWhatDoesNotRun) {
  formats::Checkpoint checkpoint = tiny_checkpoint();
  const std::string tower = "model.vision_tower.vision_tower.vision_model.";
  ASSERT_EQ(checkpoint.tensors.erase(tower + "post_layernorm.weight"), 1U);
  ASSERT_EQ(checkpoint.tensors.erase(tower + "encoder.layers.3.mlp.fc1.weight"), 1U);
  EXPECT_EQ(bind_error(checkpoint), "no error");
}

TEST(Weights, LeaveExtraTensorsAside) {
  formats::Checkpoint checkpoint = tiny_checkpoint();
  checkpoint.tensors["text_model.something"] = Tensor::zeros(DType::f32, {1});
  EXPECT_EQ(bind_error(checkpoint), "no error");
  EXPECT_EQ(extra_tensors(checkpoint, test::tiny_config()),
            std::vector<std::string>{"text_model.something"});
}

}  // namespace
}  // namespace vila::model
