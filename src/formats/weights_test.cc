// SPDX-License-Identifier: Apache-2.0
#include "formats/weights.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/safetensors.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/torch_program.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

class WeightsFolder : public testing::Test {
 protected:
  void write_torch(const std::string& file, const std::vector<std::string>& names) {
    folder_.write(file, test::build_torch_file(names));
  }

  void write_plain(const std::string& file, const std::vector<NamedTensor>& tensors) {
    write_safetensors(folder_ / file, tensors);
  }

  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : read_weights(folder_.path()).tensors)
      names.push_back(name);
    return names;
  }

  void expect_refused(ErrorCode code, const std::string& part) {
    test::expect_error(code, part, [&] { read_weights(folder_.path()); });
  }

  using Names = std::vector<std::string>;
  test::TemporaryFolder folder_;
};

TEST_F(WeightsFolder, PrefersSafetensorsToWholeFilesToShardsToAProjector) {
  write_torch("some.pt", {"from.pt"});
  EXPECT_EQ(names(), Names{"from.pt"});
  write_torch("mm_projector.bin", {"model.mm_projector.0.weight"});
  EXPECT_EQ(names(), Names{"model.mm_projector.0.weight"});
  write_torch("pytorch_model-1.bin", {"from.shard"});
  folder_.write("pytorch_model.bin.index.json",
                R"({"weight_map": {"from.shard": "pytorch_model-1.bin"}})");
  EXPECT_EQ(names(), Names{"from.shard"});
  write_torch("pytorch_model.bin", {"from.bin"});
  EXPECT_EQ(names(), Names{"from.bin"});
  write_plain("model.safetensors", {{"from.safetensors", Tensor::zeros(DType::f32, {1})}});
  EXPECT_EQ(names(), Names{"from.safetensors"});
}

TEST_F(WeightsFolder, JoinsShardsOfTorchSave) {
  write_torch("a.bin", {"one", "not.listed"});
  write_torch("b.bin", {"two"});
  folder_.write("pytorch_model.bin.index.json",
                R"({"weight_map": {"one": "a.bin", "two": "b.bin"}})");
  const Weights weights = read_weights(folder_.path());
  EXPECT_EQ(weights.tensors.size(), 2U);
  EXPECT_EQ(weights.files, (std::vector{folder_ / "a.bin", folder_ / "b.bin"}));
  EXPECT_EQ(weights.tensors.at("two").values<float>()[1], 1);
  write_torch("b.bin", {"three"});
  expect_refused(ErrorCode::invalid_model, "\"two\"");
  fs::remove(folder_ / "b.bin");
  expect_refused(ErrorCode::not_found, "b.bin");
}

TEST_F(WeightsFolder, LeavesBuffersOutThatFollowFromTheConfig) {
  write_torch("pytorch_model.bin", {"w", "model.layers.0.self_attn.rotary_emb.inv_freq",
                                    "vision_model.embeddings.position_ids"});
  EXPECT_EQ(names(), Names{"w"});
}

TEST_F(WeightsFolder, GuessesNotAmongTwoPtFiles) {
  expect_refused(ErrorCode::not_found, "found none");
  write_torch("a.pt", {"x"});
  write_torch("b.pt", {"x"});
  expect_refused(ErrorCode::invalid_model, "\"a.pt\" and \"b.pt\"");
}

TEST_F(WeightsFolder, ReadsNoOtherFormatUnderAKnownName) {
  folder_.write("pytorch_model.bin", "GGUF and so on, with a length of at least eight bytes");
  expect_refused(ErrorCode::invalid_model, "safetensors");
  folder_.write("pytorch_model.bin", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20");
  expect_refused(ErrorCode::invalid_model, "before PyTorch 1.6");
}

TEST_F(WeightsFolder, SetsPackedLinearsApartAndKeepsTheirBias) {
  Tensor words = Tensor::zeros(DType::i32, {64, 1});
  words.data<int32_t>()[0] = 0x9;  // code 9 of output 0, input 0
  Tensor zeros = Tensor::zeros(DType::i32, {1, 1});
  zeros.data<int32_t>()[0] = 0x8;  // zero 8 of output 0
  Tensor scales = Tensor::zeros(DType::f16, {1, 8});
  scales.data<f16>()[0] = to_f16(0.5F);
  write_plain("model.safetensors", {{"fc.qweight", words},
                                    {"fc.qzeros", zeros},
                                    {"fc.scales", scales},
                                    {"fc.bias", Tensor::zeros(DType::f16, {8})}});
  EXPECT_EQ(names(), (Names{"fc.bias"}));
  const QuantisedMap quantised = read_weights(folder_.path()).quantised;
  ASSERT_EQ(quantised.size(), 1U);
  const QuantisedMatrix& matrix = quantised.at("fc.weight");
  EXPECT_EQ(matrix.text(), "[8, 64] in 4 bits by 64");
  const PackedMatrix packed = matrix.pack();
  EXPECT_EQ(static_cast<int64_t>(packed.nbytes()), matrix.bytes());
  for (const Tensor& weight : {matrix.dequantise(), dequantise(packed)}) {
    EXPECT_EQ(weight.shape(), Shape({8, 64}));
    EXPECT_EQ(weight.values<float>()[0], 0.5F);
    EXPECT_EQ(weight.values<float>()[1], -4.0F);
    EXPECT_EQ(weight.values<float>()[64], 0.0F);
  }
}

}  // namespace
}  // namespace vila::formats
