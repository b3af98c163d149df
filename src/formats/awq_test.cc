// SPDX-License-Identifier: Apache-2.0
#include "formats/awq.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "formats/torch_file.h"
#include "formats/weights.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

const fs::path kConformance = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/awq";

/// The tensors of one layout in a file of awq/pack; zeros under whichever name they have.
AwqTensors packed(const TensorMap& file, const std::string& layout) {
  AwqTensors tensors{file.at(layout + ".qweight"), {}, file.at(layout + ".scales")};
  for (const char* zeros : {".qzeros", ".scaled_zeros"}) {
    if (file.contains(layout + zeros)) tensors.zeros = file.at(layout + zeros);
  }
  return tensors;
}

/// The number after "-g" in the name of the file.
int64_t group_of(const fs::path& path) {
  const std::string name = path.filename().string();
  return std::stoll(name.substr(name.find("-g") + 2));
}

/// scale and zero of the reference at (n, g), as (code - zero) * scale needs them.
float expected_weight(const TensorMap& file, int64_t n, int64_t k, int64_t group) {
  const Tensor scale = file.at("scale").to(DType::f32);
  const int64_t at = n * scale.dim(1) + k / group;
  const int64_t in = file.at("codes").dim(1);
  const int code = file.at("codes").data<uint8_t>()[n * in + k];
  return static_cast<float>(code - file.at("zeros").data<uint8_t>()[at]) * scale.data<float>()[at];
}

class AwqPack : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kConformance)) GTEST_SKIP() << kConformance << " is absent";
    for (const fs::directory_entry& entry : fs::directory_iterator(kConformance / "pack")) {
      if (entry.path().filename().string().find("-o") != std::string::npos) {
        files_.push_back(entry.path());
      }
    }
    ASSERT_GE(files_.size(), 14U);
  }

  std::vector<fs::path> files_;
};

TEST_F(AwqPack, UnpacksEveryLayoutOfEveryFileToTheCodesThatWerePacked) {
  int matrices = 0;
  for (const fs::path& path : files_) {
    const TensorMap file = read_weight_file(path);
    for (const std::string layout : {"gemm", "v1", "v2", "marlin", "awq_marlin"}) {
      if (!file.contains(layout + ".qweight")) continue;
      const std::string where = path.filename().string() + " " + layout;
      const AwqTensors tensors = packed(file, layout);
      EXPECT_EQ(awq_layout_name(awq_layout(tensors, where)), layout == "v1" ? "gemv" : layout);
      const Q4Matrix matrix = unpack_awq(tensors, group_of(path), {where});
      const Tensor& codes = file.at("codes");
      ASSERT_EQ(Shape({matrix.out, matrix.in}), codes.shape()) << where;
      int64_t differing = 0;
      for (int64_t i = 0; i < codes.numel(); ++i)
        differing += matrix.code(i / matrix.in, i % matrix.in) != codes.data<uint8_t>()[i];
      EXPECT_EQ(differing, 0) << where;
      ++matrices;
    }
  }
  EXPECT_EQ(matrices, 36);
}

TEST_F(AwqPack, DequantisesExactlyAsTheReference) {
  for (const fs::path& path : files_) {
    const TensorMap file = read_weight_file(path);
    const int64_t group = group_of(path);
    if (file.contains("dequant_v2")) {
      const Tensor weight = dequantise(unpack_awq(packed(file, "v2"), group, "v2"));
      EXPECT_EQ(compare(weight, file.at("dequant_v2")).max_abs, 0) << path;
    }
    for (const std::string layout : {"gemm", "v1", "marlin", "awq_marlin"}) {
      if (!file.contains(layout + ".qweight")) continue;
      const Tensor weight = dequantise(unpack_awq(packed(file, layout), group, layout));
      if (file.contains("dequant_int_zero")) {
        EXPECT_EQ(compare(weight, file.at("dequant_int_zero")).max_abs, 0) << path << layout;
      }
      for (const int64_t n : {int64_t{0}, weight.dim(0) / 2, weight.dim(0) - 1}) {
        for (int64_t k = 0; k < weight.dim(1); k += 7)
          ASSERT_EQ(weight.data<float>()[n * weight.dim(1) + k], expected_weight(file, n, k, group))
              << path << layout << n << "," << k;
      }
    }
  }
}

TEST_F(AwqPack, MultipliesAsTheReference) {
  int compared = 0;
  for (const fs::path& path : files_) {
    const TensorMap file = read_weight_file(path);
    const double tolerance = 2e-5 * std::sqrt(static_cast<double>(file.at("codes").dim(1)));
    for (const auto& [layout, product] :
         std::map<std::string, std::string>{{"v2", "y_v2"}, {"gemm", "y_int_zero"}}) {
      if (!file.contains(product) || !file.contains(layout + ".qweight")) continue;
      const Q4Matrix matrix = unpack_awq(packed(file, layout), group_of(path), layout);
      Tensor y = q4_matmul_reference(file.at("x"), matrix);
      if (file.contains("bias")) {
        const Tensor bias = file.at("bias").to(DType::f32);
        for (int64_t i = 0; i < y.numel(); ++i)
          y.data<float>()[i] += bias.data<float>()[i % matrix.out];
      }
      EXPECT_LE(compare(y, file.at(product)).max_abs, tolerance) << path << layout;
      ++compared;
    }
  }
  EXPECT_GE(compared, 20);
}

TEST_F(AwqPack, NoticesAWrongGroup) {
  const TensorMap file = read_weight_file(kConformance / "pack/codes-o32-i576-g32.safetensors");
  for (const std::string layout : {"v1", "v2"}) {
    test::expect_error(ErrorCode::invalid_model, "group size",
                       [&] { unpack_awq(packed(file, layout), 64, "x"); });
    test::expect_error(ErrorCode::invalid_model, "divide",
                       [&] { unpack_awq(packed(file, layout), 100, "x"); });
  }
}

TEST(Awq, RefusesShapesAndTypesThatFitNoLayout) {
  const Tensor words = Tensor::zeros(DType::i32, {128, 4});
  const Tensor zeros = Tensor::zeros(DType::i32, {1, 4});
  const Tensor scales = Tensor::zeros(DType::f16, {1, 32});
  EXPECT_EQ(awq_layout({words, zeros, scales}, "x"), AwqLayout::gemm);
  const std::vector<AwqTensors> bad = {
      {words, zeros, {}},
      {words, {}, scales},
      {words.to(DType::i32).reshape({512}), zeros, scales},
      {words, zeros, Tensor::zeros(DType::f16, {1, 31})},
      {words, Tensor::zeros(DType::i32, {2, 4}), scales},
      {words, zeros, Tensor::zeros(DType::i32, {1, 32})},
      {Tensor::zeros(DType::i16, {8, 100}), Tensor::zeros(DType::f16, {8, 32}),
       Tensor::zeros(DType::f16, {8, 32})},
      {Tensor::zeros(DType::i32, {0, 4}), zeros, scales}};
  for (const AwqTensors& tensors : bad)
    test::expect_error(ErrorCode::invalid_model, "x: expected a 4-bit",
                       [&] { awq_layout(tensors, "x"); });
}

TEST(Awq, TakesTheGroupFromTheFilesBesideTheWeights) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(awq_group(folder / "a.pt"), 128);
  EXPECT_EQ(awq_group(folder / "my-gpt-w4-g64-awq-v2.pt"), 64);
  folder.write("quant_config.json", R"({"w_bit": 4, "q_group_size": 32, "zero_point": true})");
  EXPECT_EQ(awq_group(folder / "a.pt"), 32);
  folder.write("config.json", R"({"quantization_config": {"quant_method": "awq", "bits": 4,
                                  "group_size": 64}})");
  EXPECT_EQ(awq_group(folder / "a.pt"), 64);
  folder.write("config.json", R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})");
  test::expect_error(ErrorCode::invalid_model, "gptq", [&] { awq_group(folder / "a.pt"); });
  folder.write("config.json", R"({"quantization_config": {"bits": 3}})");
  test::expect_error(ErrorCode::invalid_model, "with 3", [&] { awq_group(folder / "a.pt"); });
}

TEST_F(AwqPack, PacksEveryLayoutWithoutChangingAnyValue) {
  int packed_matrices = 0;
  for (const fs::path& path : files_) {
    for (const std::string layout : {"gemm", "v1", "v2", "marlin", "awq_marlin"}) {
      TensorMap file = read_weight_file(path);
      if (!file.contains(layout + ".qweight")) continue;
      std::erase_if(file, [&](const auto& item) { return !item.first.starts_with(layout + "."); });
      const std::string where = path.filename().string() + " " + layout;
      const QuantisedMap linears = take_awq_linears(file, group_of(path), {where});
      const QuantisedMatrix& matrix = linears.at(layout + ".weight");
      EXPECT_FALSE(file.contains(layout + ".qweight")) << where;
      const PackedMatrix packed_matrix = matrix.pack();
      EXPECT_EQ(static_cast<int64_t>(packed_matrix.nbytes()), matrix.bytes()) << where;
      EXPECT_EQ(compare(dequantise(packed_matrix), matrix.dequantise()).max_abs, 0) << where;
      // Zero points are whole numbers in all layouts but v2, which stores their products.
      EXPECT_TRUE(layout == "v2" || !packed_matrix.has_offsets) << where;
      ++packed_matrices;
    }
  }
  EXPECT_EQ(packed_matrices, 36);
}

TEST(AwqFiles, OpenAsQuantisedMatricesBesideWhatIsNot) {
  const fs::path files = kConformance / "file";
  if (!fs::exists(files)) GTEST_SKIP() << files << " is absent";
  const Weights v2 = read_weights(files / "vila15-layout/llm");
  const Weights gemm = read_weights(files / "autoawq-layout");
  const Weights flat = read_weights(files / "flat-layout");
  const std::string name = "model.layers.0.mlp.down_proj.weight";
  EXPECT_EQ(v2.quantised.at(name).shape(), Shape({256, 512}));
  const Tensor floats = v2.quantised.at(name).dequantise();
  // The layouts round scale * zero differently, by half a unit of a half-precision number.
  EXPECT_LE(compare(floats, gemm.quantised.at(name).dequantise()).max_abs, 1e-3);
  EXPECT_EQ(compare(floats, flat.quantised.at(name).dequantise()).max_abs, 0);
  EXPECT_EQ(v2.tensors.at("model.embed_tokens.weight").dtype(), DType::f16);
  EXPECT_TRUE(flat.tensors.contains("model.mm_projector.0.weight"));
  for (const auto& [tensor, value] : v2.tensors) {
    EXPECT_FALSE(tensor.ends_with("qweight") || tensor.ends_with("scales")) << tensor;
  }
}

}  // namespace
}  // namespace vila::formats
