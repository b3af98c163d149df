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

std::string bind_error(const formats::Checkpoint& checkpoint) {
  try {
    Weights::bind(checkpoint, test::tiny_config());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_model);
    return error.message();
  }
  return "no error";
}

TEST(Weights, DescendByNameAndNumber) {
  const formats::Checkpoint checkpoint = tiny_checkpoint();
  const Weights root = Weights::bind(checkpoint, test::tiny_config());
  const Weights layer = root / "model" / "layers" / 1;
  EXPECT_EQ((layer / "self_attn" / "q_proj").tensor("weight").shape(), (Shape{48, 48}));
  EXPECT_TRUE((layer / "self_attn" / "q_proj").has("weight"));
  EXPECT_FALSE((layer / "self_attn" / "q_proj").has("bias"));
  EXPECT_THROW((layer / "self_attn").tensor("weight"), Bug);
}

TEST(Weights, ShareTheCheckpointsMemory) {
  const formats::Checkpoint checkpoint = tiny_checkpoint();
  const Weights root = Weights::bind(checkpoint, test::tiny_config());
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
  EXPECT_EQ(Weights::bind(checkpoint, test::tiny_config()).bytes(), static_cast<int64_t>(bytes));
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
